package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/sessionauth/sessionauth/stytch"
)

func TestCauseText(t *testing.T) {
	const secret = "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"
	address := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}
	unknown := errors.New("request with Authorization " + secret)
	rows := []struct {
		name string
		err  error
		want string
	}{
		{"nil", nil, ""},
		{"an error of Stytch", &stytch.Error{StatusCode: 404, Type: "session_not_found", Message: secret, RequestID: "request-id-test-1"}, "stytch: status 404 session_not_found (request-id-test-1)"},
		{"an invalid answer", &stytch.InvalidAnswerError{Problem: "larger than the limit"}, "stytch: invalid answer: larger than the limit"},
		{"an error of this package", &Error{Reason: BreakerOpen, Cause: unknown}, "upstream: breaker_open"},
		{"an unknown authority", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "x509: certificate signed by unknown authority"},
		{"an unknown authority, wrapped by code that quotes the request", fmt.Errorf("%s: %w", secret, x509.UnknownAuthorityError{}), "x509: certificate signed by unknown authority"},
		{"an expired certificate", x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.NotAuthorizedToSign}, "x509: certificate is not authorized to sign other certificates"},
		{"no TLS", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "tls: first record does not look like a TLS handshake"},
		{"connection refused", &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, "dial tcp 10.0.0.1:443: connection refused"},
		{"no such host", &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "test.stytch.com", IsNotFound: true}}, "dial tcp: lookup test.stytch.com: no such host"},
		{"an operation with another error", &net.OpError{Op: "read", Net: "tcp", Err: unknown}, "read tcp: error of type *errors.errorString"},
		{"a timeout of a transport", os.ErrDeadlineExceeded, "timeout"},
		{"a deadline", context.DeadlineExceeded, "context deadline exceeded"},
		{"a cut connection", io.ErrUnexpectedEOF, "unexpected EOF"},
		{"a URL", &url.Error{Op: "Get", URL: "https://u:" + secret + "@proxy", Err: io.EOF}, "EOF"},
		{"a URL with another error", &url.Error{Op: "Get", URL: "https://u:" + secret + "@proxy", Err: unknown}, "error of type *url.Error"},
		{"any other error", unknown, "error of type *errors.errorString"},
		{"any other error, wrapped", fmt.Errorf("%w", unknown), "error of type *fmt.wrapError"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if got := CauseText(row.err); got != row.want || strings.Contains(got, secret) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}
