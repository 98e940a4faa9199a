"""What runs on the worker node in place of the user's program, and how the manager speaks with it.

`jobwrapper.py` is the script itself; it stands alone. `describe` makes its job.json out of a job description, `facts`
reads what it wrote down.
"""

from pathlib import Path

from wms.wrapper.describe import describe
from wms.wrapper.facts import Fact, Phase, Progress, read_progress

#: The script, to be copied to the job's place on the worker node.
SCRIPT = Path(__file__).with_name("jobwrapper.py")

__all__ = ["SCRIPT", "Fact", "Phase", "Progress", "describe", "read_progress"]
