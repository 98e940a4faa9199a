/* A Job Provenance client on gSOAP stubs generated from wsdl/, as the original clients were.
 *
 *   jpclient PROXY CADIR register   URL JOB OWNER
 *   jpclient PROXY CADIR attributes URL JOB NAME...
 *   jpclient PROXY CADIR query      URL NAME VALUE WANTED...
 *
 * Prints one line per value; a fault is printed link by link and ends with status 1, other trouble with 2.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "soapH.h"
#include "JobProvenancePS.nsmap"

static void print_value(const char *job, const struct jptype__attrValue *value) {
    char when[32];
    time_t stamp = value->timestamp;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime(&stamp));
    printf("%s %s ", job, value->name);
    if (!value->value) {
        printf("-");
    } else if (value->value->__union_stringOrBlob == SOAP_UNION__jptype__union_stringOrBlob_string) {
        printf("string=%s", value->value->union_stringOrBlob.string);
    } else {
        const struct xsd__base64Binary blob = value->value->union_stringOrBlob.blob;
        printf("blob=");
        for (int i = 0; i < blob.__size; i++)
            printf("%02x", blob.__ptr[i]);
    }
    printf(" %s %d %s\n", when, (int) value->origin, value->originDetail ? value->originDetail : "-");
}

static void print_links(const char *form, const struct jptype__genericFault *link) {
    for (; link; link = link->reason)
        printf("%s: %s %d %s (%s)\n", form, link->source, link->code, link->text,
               link->description ? link->description : "");
}

static int trouble(struct soap *soap) {
    if (!soap->fault || !soap->fault->detail) {
        soap_print_fault(soap, stderr);
        return 2;
    }
    printf("faultcode %s faultstring %s\n", soap->fault->faultcode, soap->fault->faultstring);
    if (soap->fault->detail->__type == SOAP_TYPE_jptype__genericFault)
        print_links("fault", soap->fault->detail->fault);
    print_links("genericFault", soap->fault->detail->jpelem__genericFault);
    return 1;
}

static int do_register(struct soap *soap, const char *url, char **arg) {
    struct _jpelem__RegisterJob in = {.job = arg[0], .owner = arg[1]};
    struct _jpelem__RegisterJobResponse out;
    if (soap_call___jpsrv__RegisterJob(soap, url, NULL, &in, &out))
        return trouble(soap);
    printf("registered\n");
    return 0;
}

static int do_attributes(struct soap *soap, const char *url, char **arg, int count) {
    struct _jpelem__GetJobAttributes in = {.jobid = arg[0], .__sizeattributes = count - 1, .attributes = arg + 1};
    struct _jpelem__GetJobAttributesResponse out;
    if (soap_call___jpsrv__GetJobAttributes(soap, url, NULL, &in, &out))
        return trouble(soap);
    for (int i = 0; i < out.__sizeattrValues; i++)
        print_value(arg[0], &out.attrValues[i]);
    return 0;
}

static int do_query(struct soap *soap, const char *url, char **arg, int count) {
    struct jptype__stringOrBlob value = {
        .__union_stringOrBlob = SOAP_UNION__jptype__union_stringOrBlob_string,
        .union_stringOrBlob.string = arg[1],
    };
    struct jptype__indexQueryRecord record = {.op = jptype__queryOp__EQUAL, .value = &value};
    struct jptype__indexQuery condition = {.attr = arg[0], .__sizerecord = 1, .record = &record};
    struct _jpelem__QueryJobs in = {
        .__sizeconditions = 1, .conditions = &condition, .__sizeattributes = count - 2, .attributes = arg + 2};
    struct _jpelem__QueryJobsResponse out;
    if (soap_call___jpsrv__QueryJobs(soap, url, NULL, &in, &out))
        return trouble(soap);
    for (int i = 0; i < out.__sizejobs; i++) {
        const struct jptype__jobRecord *job = &out.jobs[i];
        printf("%s owner=%s storage=%s\n", job->jobid, job->owner ? job->owner : "-",
               job->__sizeprimaryStorage ? job->primaryStorage[0] : "-");
        for (int j = 0; j < job->__sizeattributes; j++)
            print_value(job->jobid, &job->attributes[j]);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 7)
        return 2;
    struct soap *soap = soap_new1(SOAP_IO_KEEPALIVE | SOAP_C_UTFSTRING);
    soap_ssl_init();
    if (soap_ssl_client_context(soap, SOAP_SSL_DEFAULT, argv[1], NULL, NULL, argv[2], NULL)) {
        soap_print_fault(soap, stderr);
        return 2;
    }
    const char *url = argv[4];
    int status = 2;
    if (!strcmp(argv[3], "register"))
        status = do_register(soap, url, argv + 5);
    else if (!strcmp(argv[3], "attributes"))
        status = do_attributes(soap, url, argv + 5, argc - 5);
    else if (!strcmp(argv[3], "query"))
        status = do_query(soap, url, argv + 5, argc - 5);
    soap_destroy(soap);
    soap_end(soap);
    soap_free(soap);
    return status;
}
