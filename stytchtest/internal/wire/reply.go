// Package wire sends the replies of package stytchtest to its callers. A reply
// can be complete or broken. It is sent on a connection of net/http, or in
// memory through Transport. The package does not depend on the Stytch API.
package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// A Reply is the response to one request, or the failure of the request.
type Reply struct {
	// Err ends the connection before the first byte. Transport returns it as an
	// error. If nil, there is a response.
	Err error

	Status int
	Header http.Header // not nil unless Err is set
	Text   []byte      // the body, if Stream is nil

	// Stream is a body that is sent piece by piece. If Read returns an error
	// other than io.EOF, the connection ends. It ends with a reset if the error
	// is syscall.ECONNRESET.
	Stream io.Reader

	// Length is the Content-Length of Stream in bytes. If negative, the
	// response has no Content-Length.
	Length int64
}

// A delivery receives the reply to a request of Transport.
type delivery struct {
	http.ResponseWriter
	reply Reply
}

// Send sends the reply to the request r. If the connection must end early, it
// panics with http.ErrAbortHandler.
func (p Reply) Send(w http.ResponseWriter, r *http.Request) {
	if d, ok := w.(*delivery); ok {
		d.reply = p
		return
	}
	if p.Err != nil {
		needConnection(r)
		panic(http.ErrAbortHandler) // net/http closes the connection silently
	}
	for name, values := range p.Header {
		w.Header()[name] = values
	}
	if p.Stream == nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(p.Text)))
		w.WriteHeader(p.Status)
		_, _ = w.Write(p.Text) // fails only if the caller has disconnected
		return
	}
	needConnection(r)
	if p.Length >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(p.Length, 10))
	}
	w.WriteHeader(p.Status)
	relay(w, p.Stream)
}

// needConnection panics if the caller cannot give up, because an
// httptest.ResponseRecorder would wait forever for an endless reply.
func needConnection(r *http.Request) {
	if r.Context().Value(http.ServerContextKey) == nil {
		panic("stytchtest: this fault needs Server.Client or a real connection, such as httptest.NewServer makes")
	}
}

// relay writes a stream to a connection and flushes after each piece.
func relay(w http.ResponseWriter, stream io.Reader) {
	connection := http.NewResponseController(w)
	_ = connection.Flush() // if it fails, the next Write fails too
	piece := make([]byte, 32<<10)
	for {
		n, err := stream.Read(piece)
		if n > 0 {
			if _, err := w.Write(piece[:n]); err != nil {
				return // the caller has disconnected
			}
			_ = connection.Flush() // as above
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, io.EOF):
			return
		case errors.Is(err, syscall.ECONNRESET):
			reset(connection)
		}
		panic(http.ErrAbortHandler)
	}
}

// reset closes a connection with a TCP reset. It does nothing to an HTTP/2
// stream, because the panic that follows resets the stream.
func reset(connection *http.ResponseController) {
	conn, _, err := connection.Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	wrapped := conn
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // a connection of crypto/tls
		wrapped = t.NetConn()
	}
	if tcp, ok := wrapped.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // if it fails, Close ends the connection without a reset
	}
}

// Wait waits for d. If ctx is done first, it returns the error of ctx.
func Wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
