package stytchtest

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
)

// A reply is what goes back over the connection: an answer, or less.
type reply struct {
	// err, if not nil, is all there is: the connection ends without a byte.
	err error

	status int
	header http.Header
	text   []byte // the body, unless there is a stream

	// stream is a body that arrives piece by piece. What Read ends with other
	// than io.EOF is how the connection ends.
	stream io.Reader
	length int64 // what Content-Length says of the stream; negative if it is left out
}

// jsonReply makes the reply of an answer or of a failure, with the members that
// all bodies have.
func (s *Server) jsonReply(header http.Header, answer object, fail *failure) reply {
	status := http.StatusOK
	if fail != nil {
		answer, status = fail.object(), fail.status
	}
	answer["status_code"] = status
	answer["request_id"] = s.newID("request-id")
	body, err := encode(answer)
	if err != nil {
		panic("stytchtest: answer cannot be written as JSON: " + err.Error())
	}
	header.Set("Content-Type", "application/json")
	return reply{status: status, header: header, text: body}
}

// A delivery is where a call of Server.Client finds its reply: whole, and not
// written to any connection.
type delivery struct {
	http.ResponseWriter
	reply reply
}

// send gives a reply to whoever made the call.
func (s *Server) send(w http.ResponseWriter, r *http.Request, p reply) {
	if d, ok := w.(*delivery); ok {
		d.reply = p
		return
	}
	if p.err != nil {
		needConnection(r)
		panic(http.ErrAbortHandler) // net/http closes the connection and says nothing
	}
	for name, values := range p.header {
		w.Header()[name] = values
	}
	if p.stream == nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(p.text)))
		w.WriteHeader(p.status)
		_, _ = w.Write(p.text) // fails when the caller has gone: nobody is left to tell
		return
	}
	needConnection(r)
	if p.length >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(p.length, 10))
	}
	w.WriteHeader(p.status)
	relay(w, p.stream)
}

// needConnection panics where nobody could give up: a recorder would take an
// endless answer for ever.
func needConnection(r *http.Request) {
	if r.Context().Value(http.ServerContextKey) == nil {
		panic("stytchtest: this fault needs Server.Client or a real connection, such as httptest.NewServer makes")
	}
}

// relay writes a stream to a connection, each piece at once.
func relay(w http.ResponseWriter, stream io.Reader) {
	connection := http.NewResponseController(w)
	_ = connection.Flush() // if it fails, so does Write
	piece := make([]byte, 32<<10)
	for {
		n, err := stream.Read(piece)
		if n > 0 {
			if _, err := w.Write(piece[:n]); err != nil {
				return // the caller has gone
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

// reset closes a connection so that the other end sees it reset. An HTTP/2
// stream is left to the panic that follows, which resets it.
func reset(connection *http.ResponseController) {
	conn, _, err := connection.Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	wrapped := conn
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // of crypto/tls
		wrapped = t.NetConn()
	}
	if tcp, ok := wrapped.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // otherwise the connection is closed, which is an end too
	}
}
