/* A client of the WMProxy and of Logging and Bookkeeping on gSOAP stubs generated from wsdl/, with Debian's CGSI
 * plug-in for the security: Globus GSSAPI does the handshake, as in gLite's data management and File Transfer clients.
 *
 *   cgsiclient MODE version    URL             getVersion of the WMProxy
 *   cgsiclient MODE request    URL ID          getProxyReq of its delegation-2 port
 *   cgsiclient MODE lbversion  URL             GetVersion of LB
 *   cgsiclient MODE lbstatus   URL JOB         JobStatus of LB
 *
 * MODE: ssl (CGSI_OPT_SSL_COMPATIBLE), gsi (neither), deleg (CGSI_OPT_DELEG_FLAG). The credential and the CAs are where
 * Globus looks for them. Prints the answer; a fault ends with status 1.
 */
#include <stdio.h>
#include <string.h>

#include "cgsi_plugin.h"
#include "soapH.h"
#include "LoggingAndBookkeeping.nsmap"

static int trouble(struct soap *soap) {
    soap_print_fault(soap, stderr);
    return 1;
}

static int do_version(struct soap *soap, const char *url) {
    struct wms__getVersionResponse out;
    if (soap_call_wms__getVersion(soap, url, NULL, &out))
        return trouble(soap);
    printf("%s\n", out.version);
    return 0;
}

static int do_request(struct soap *soap, const char *url, char *id) {
    struct deleg__getProxyReqResponse out;
    if (soap_call_deleg__getProxyReq(soap, url, NULL, id, &out))
        return trouble(soap);
    printf("%s", out._getProxyReqReturn);
    return 0;
}

static int do_lbversion(struct soap *soap, const char *url) {
    struct _lb__GetVersion in;
    struct _lb__GetVersionResponse out;
    memset(&in, 0, sizeof in);
    if (soap_call___lbsrv__GetVersion(soap, url, NULL, &in, &out))
        return trouble(soap);
    printf("%s\n", out.version);
    return 0;
}

static int do_lbstatus(struct soap *soap, const char *url, char *job) {
    struct lbt__jobFlags flags;
    struct _lb__JobStatus in;
    struct _lb__JobStatusResponse out;
    memset(&flags, 0, sizeof flags);
    memset(&in, 0, sizeof in);
    in.jobid = job;
    in.flags = &flags;
    if (soap_call___lbsrv__JobStatus(soap, url, NULL, &in, &out))
        return trouble(soap);
    printf("%s %d\n", out.stat->owner ? out.stat->owner : "-", (int) out.stat->state);
    return 0;
}

int main(int argc, char **argv) {
    int options = CGSI_OPT_CLIENT;
    struct soap *soap = soap_new();
    if (argc < 4)
        return 2;
    if (!strcmp(argv[1], "ssl"))
        options |= CGSI_OPT_SSL_COMPATIBLE;
    else if (!strcmp(argv[1], "deleg"))
        options |= CGSI_OPT_DELEG_FLAG;
    soap_set_namespaces(soap, namespaces);
    if (soap_cgsi_init(soap, options)) {
        fprintf(stderr, "the plug-in cannot be initialised\n");
        return 2;
    }
    int status = 2;
    if (!strcmp(argv[2], "version"))
        status = do_version(soap, argv[3]);
    else if (!strcmp(argv[2], "request") && argc > 4)
        status = do_request(soap, argv[3], argv[4]);
    else if (!strcmp(argv[2], "lbversion"))
        status = do_lbversion(soap, argv[3]);
    else if (!strcmp(argv[2], "lbstatus") && argc > 4)
        status = do_lbstatus(soap, argv[3], argv[4]);
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return status;
}
