package stytchtest

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Refuse is a server that is not there: calls of Server.Client fail as if the
// connection was refused. A socket that is served has been connected to
// already; there, the connection is closed without a byte. Server.Calls counts
// the calls even so.
func Refuse() Fault {
	return unreachable("Refuse", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
}

// Fail lets calls of Server.Client fail with an error of the test's choice: of
// DNS, of TLS, or any other that a transport may return. On a socket it is the
// same as Refuse. A nil error panics.
func Fail(err error) Fault {
	if err == nil {
		panic("stytchtest: Fail: the error is nil")
	}
	return unreachable("Fail", err)
}

func unreachable(name string, err error) Fault {
	return Fault{effect: &effect{name: name, silent: true, reply: func(*Server, *call, endpoint) reply {
		return reply{err: err}
	}}}
}

// Hang takes the call and says nothing, until the caller gives up.
func Hang() Fault {
	return Fault{effect: &effect{name: "Hang", silent: true, reply: func(_ *Server, c *call, _ endpoint) reply {
		<-c.Context().Done()
		return reply{err: c.Context().Err()}
	}}}
}

// Trickle sends the header of the answer as it should be at once, and then its
// body byte by byte, each a while after the one before. A while that is not
// positive panics.
func Trickle(every time.Duration) Fault {
	if every <= 0 {
		panic("stytchtest: Trickle: the time between two bytes is not positive")
	}
	return spoiled("Trickle", func(c *call, p reply) reply {
		p.stream = &trickle{c.Context(), every, p.text}
		return p
	})
}

// Truncated is the first half of the answer as it should be, sent as if it was
// all: HTTP sees nothing wrong. The call has had its effect.
func Truncated() Fault {
	return spoiled("Truncated", func(_ *call, p reply) reply {
		p.text = p.text[:len(p.text)/2]
		return p
	})
}

// BrokenOff is the first half of the answer as it should be, announced as the
// whole, before the connection is closed: reading ends with
// io.ErrUnexpectedEOF. The call has had its effect.
func BrokenOff() Fault {
	return spoiled("BrokenOff", func(_ *call, p reply) reply {
		p.stream = brokenOff(p.text, io.ErrUnexpectedEOF)
		return p
	})
}

// Reset is the first half of the answer as it should be, announced as the
// whole, before the connection is reset: reading ends with syscall.ECONNRESET.
// On a socket the reset may overtake what was sent before. The call has had its
// effect.
func Reset() Fault {
	return spoiled("Reset", func(_ *call, p reply) reply {
		p.stream = brokenOff(p.text, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)})
		return p
	})
}

// spoiled makes Fault in which the reply as it should be is changed on its
// way. A stream that spoil sets is announced with the length of the text.
func spoiled(name string, spoil func(*call, reply) reply) Fault {
	return Fault{effect: &effect{name: name, reply: func(s *Server, c *call, e endpoint) reply {
		p := s.answer(c, e)
		p.length = int64(len(p.text))
		return spoil(c, p)
	}}}
}

// brokenOff gives half of a text, and then the error.
func brokenOff(text []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(text[:len(text)/2]), failing{err})
}

type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A trickle gives a text byte by byte.
type trickle struct {
	ctx   context.Context // of the one call whose answer it is
	every time.Duration
	text  []byte // what is left
}

// Read implements io.Reader.
func (t *trickle) Read(p []byte) (int, error) {
	if len(t.text) == 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := wait(t.ctx, t.every); err != nil {
		return 0, err
	}
	p[0], t.text = t.text[0], t.text[1:]
	return 1, nil
}
