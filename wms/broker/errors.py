"""What can go wrong while matching. Each text is fit for the Pending event of the job."""


class BrokerError(Exception):
    """The job cannot be matched now; the manager logs Pending with this text and tries again."""


class HelperError(BrokerError):
    """The description asks for something that makes no sense, such as a malformed SubmitTo."""


class RankingError(BrokerError):
    """Elements match, but the job's Rank is undefined for every one of them."""


class UnavailableError(BrokerError):
    """The description uses a feature that is not built in this release."""
