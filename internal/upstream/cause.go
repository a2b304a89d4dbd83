package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"syscall"

	"github.com/sessionauth/sessionauth/stytch"
)

// CauseText returns a text of err that contains no credential, for logs. The
// errors of a transport are made by code of the application, and may quote the
// request: only errors of package stytch, of this package, and those of the
// standard library that describe a network, a certificate or a deadline are
// printed. Of any other error it returns the type. For nil it returns "".
func CauseText(err error) string {
	if err == nil {
		return ""
	}
	var none *stytch.NoAnswerError
	if errors.As(err, &none) {
		return "stytch: no answer: " + CauseText(none.Unwrap())
	}
	for _, find := range printable() {
		if text := find(err); text != "" {
			return text
		}
	}
	return fmt.Sprintf("error of type %T", err)
}

// printable lists functions, each of which returns the text of an error in a
// chain that may be printed, or "".
func printable() []func(error) string {
	return []func(error) string{
		textOf[*stytch.Error], textOf[*stytch.InvalidAnswerError], textOf[*stytch.ParamError], textOf[*Error],
		textOf[x509.UnknownAuthorityError], textOf[x509.HostnameError], textOf[x509.CertificateInvalidError],
		textOf[x509.SystemRootsError], textOf[tls.RecordHeaderError], textOf[tls.AlertError],
		operation,
		textOf[*net.DNSError], textOf[net.UnknownNetworkError], textOf[*net.AddrError], textOf[syscall.Errno],
		textOf[runtime.Error],
		sentinel(context.Canceled), sentinel(context.DeadlineExceeded), sentinel(ErrPanic),
		sentinel(io.ErrUnexpectedEOF), sentinel(io.EOF), sentinel(net.ErrClosed), sentinel(http.ErrAbortHandler), timedOut,
	}
}

func textOf[E error](err error) string {
	var found E
	if !errors.As(err, &found) {
		return ""
	}
	return found.Error()
}

// operation returns the text of a *net.OpError, with what CauseText returns for
// the error inside.
func operation(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) {
		return ""
	}
	text := op.Op
	if op.Net != "" {
		text += " " + op.Net
	}
	if op.Addr != nil {
		text += " " + op.Addr.String()
	}
	if op.Err != nil {
		text += ": " + CauseText(op.Err)
	}
	return text
}

func sentinel(target error) func(error) string {
	return func(err error) string {
		if errors.Is(err, target) {
			return target.Error()
		}
		return ""
	}
}

func timedOut(err error) string {
	var e net.Error
	if errors.As(err, &e) && e.Timeout() {
		return "timeout"
	}
	return ""
}
