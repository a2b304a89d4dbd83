package stytchtest

import (
	"fmt"
	"html"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sessionauth/sessionauth/stytchtest/internal/api"
	"github.com/sessionauth/sessionauth/stytchtest/internal/state"
	"github.com/sessionauth/sessionauth/stytchtest/internal/wire"
)

// HTML returns a Fault that sends an HTML page instead of JSON, as proxies and
// load balancers do, for example with status 502, 504 or 200. HTML panics if
// the status is not between 200 and 599, or does not allow a body.
func HTML(status int) Fault {
	page := fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%[1]d %[2]s</title></head>\n<body><h1>%[1]d %[2]s</h1></body></html>\n",
		status, html.EscapeString(http.StatusText(status)))
	return constant("HTML", status, "text/html; charset=utf-8", page)
}

// Raw returns a Fault that sends exactly this body. The Content-Type is
// application/json unless Fault.Header changes it. Examples are Raw(200, ""),
// Raw(200, "null") and Raw(404, `[{"error_type":…}]`). Raw panics if the status
// is not between 200 and 599, or if there is a body and the status does not
// allow one.
func Raw(status int, body string) Fault {
	return constant("Raw", status, "application/json", body)
}

// constant returns a Fault that sends the same reply to every call.
func constant(name string, status int, contentType, body string) Fault {
	switch {
	case status < 200 || status > 599:
		panic("stytchtest: " + name + ": the status is not between 200 and 599: " + strconv.Itoa(status))
	case (status == http.StatusNoContent || status == http.StatusNotModified) && body != "":
		panic("stytchtest: " + name + ": this status allows no body: " + strconv.Itoa(status))
	}
	return replaced(name, func() wire.Reply {
		return wire.Reply{Status: status, Header: http.Header{"Content-Type": {contentType}}, Text: []byte(body)}
	})
}

// Redirect returns a Fault that redirects the caller to another host. If a user
// of Server.Client follows the redirect, Server.UnexpectedCalls lists the call.
// Redirect panics if the status is not 301, 302, 303, 307 or 308, or if the URL
// is not absolute.
func Redirect(status int, to string) Fault {
	switch status {
	case 301, 302, 303, 307, 308:
	default:
		panic("stytchtest: Redirect: not the status of a redirect: " + strconv.Itoa(status))
	}
	if u, err := url.Parse(to); err != nil || u.Host == "" {
		panic("stytchtest: Redirect: not an absolute URL: " + strconv.Quote(to))
	}
	return replaced("Redirect", func() wire.Reply {
		return wire.Reply{Status: status, Header: http.Header{"Location": {to}}}
	})
}

// Endless returns a Fault that sends status 200 and a body that begins like a
// JSON object and never ends.
func Endless() Fault {
	return replaced("Endless", func() wire.Reply {
		return wire.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Length: -1, Stream: wire.Endless()}
	})
}

// GzipBomb returns a Fault that sends status 200 and a JSON object of 1 GiB,
// compressed to 1 MiB. As in net/http, if a caller of Server.Client does not
// negotiate an encoding, it receives the decompressed object.
func GzipBomb() Fault {
	return replaced("GzipBomb", func() wire.Reply {
		header := http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}
		return wire.Reply{Status: http.StatusOK, Header: header, Length: -1, Stream: wire.GzipBomb()}
	})
}

// replaced returns a Fault whose reply replaces that of the endpoint. Calls
// have no effect.
func replaced(name string, reply func() wire.Reply) Fault {
	return Fault{effect: &effect{name: name, reply: func(*state.Project, *api.Call) wire.Reply { return reply() }}}
}

// Refuse returns a Fault that makes calls of Server.Client fail as if the
// connection was refused. On a socket, the server closes the connection without
// sending a byte. Server.Calls counts the calls.
func Refuse() Fault {
	return unreachable("Refuse", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
}

// Fail returns a Fault that makes calls of Server.Client fail with err, such as
// an error of DNS or TLS. On a socket it is the same as Refuse. Fail panics if
// err is nil.
func Fail(err error) Fault {
	if err == nil {
		panic("stytchtest: Fail: the error is nil")
	}
	return unreachable("Fail", err)
}

func unreachable(name string, err error) Fault {
	return Fault{effect: &effect{name: name, silent: true, reply: func(*state.Project, *api.Call) wire.Reply {
		return wire.Reply{Err: err}
	}}}
}

// Hang returns a Fault that receives the call and sends nothing until the
// caller gives up.
func Hang() Fault {
	return Fault{effect: &effect{name: "Hang", silent: true, reply: func(_ *state.Project, c *api.Call) wire.Reply {
		<-c.Context().Done()
		return wire.Reply{Err: c.Context().Err()}
	}}}
}

// Trickle returns a Fault that sends the header of the correct response at once
// and then its body byte by byte, with this interval before each byte. Trickle
// panics if the interval is not positive.
func Trickle(every time.Duration) Fault {
	if every <= 0 {
		panic("stytchtest: Trickle: the time between two bytes is not positive")
	}
	return spoiled("Trickle", func(c *api.Call, p wire.Reply) wire.Reply {
		p.Stream = wire.Trickle(c.Context(), every, p.Text)
		return p
	})
}

// Truncated returns a Fault that sends the first half of the correct response
// with a matching Content-Length, so that only the JSON is broken. The call
// takes effect.
func Truncated() Fault {
	return spoiled("Truncated", func(_ *api.Call, p wire.Reply) wire.Reply {
		p.Text = p.Text[:len(p.Text)/2]
		return p
	})
}

// BrokenOff returns a Fault that sends the first half of the correct response
// with the Content-Length of the whole, and then closes the connection. Reading
// ends with io.ErrUnexpectedEOF. The call takes effect.
func BrokenOff() Fault {
	return spoiled("BrokenOff", func(_ *api.Call, p wire.Reply) wire.Reply {
		p.Stream = wire.Half(p.Text, io.ErrUnexpectedEOF)
		return p
	})
}

// Reset returns a Fault that sends the first half of the correct response with
// the Content-Length of the whole, and then resets the connection. Reading ends
// with syscall.ECONNRESET. On a socket, the reset may overtake the bytes before
// it. The call takes effect.
func Reset() Fault {
	return spoiled("Reset", func(_ *api.Call, p wire.Reply) wire.Reply {
		p.Stream = wire.Half(p.Text, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)})
		return p
	})
}

// RepeatedNames returns a Fault that sends the correct response with every
// member of the object repeated. Parsers differ in which of the two they use
// (RFC 8259, section 4).
func RepeatedNames() Fault {
	return spoiled("RepeatedNames", func(_ *api.Call, p wire.Reply) wire.Reply {
		members := p.Text[1 : len(p.Text)-1]
		p.Text = []byte("{" + string(members) + "," + string(members) + "}")
		return p
	})
}

// spoiled returns a Fault that changes the correct reply. If spoil sets a
// Stream, the Length is that of the original text.
func spoiled(name string, spoil func(*api.Call, wire.Reply) wire.Reply) Fault {
	return Fault{effect: &effect{name: name, reply: func(_ *state.Project, c *api.Call) wire.Reply {
		p := c.Answer()
		p.Length = int64(len(p.Text))
		return spoil(c, p)
	}}}
}

// OtherUser returns a Fault that sends the correct response for another user
// and a live session of that user, including ids and JWT. It applies to the
// endpoints whose response contains a user. The server adds the other user.
func OtherUser() Fault {
	return swapped("OtherUser", []string{api.PathAuthenticate, api.PathCreateUser, api.PathSignIn, api.PathUser}, func(p *state.Project, answer state.Object) state.Object {
		id := p.OtherUser()
		user, err := p.User(id)
		if err != nil {
			panic("stytchtest: OtherUser: " + err.Error())
		}
		if _, nested := answer["user"]; !nested { // GET /v1/users/{user_id}
			return user
		}
		if answer["session"] != nil {
			maps.Copy(answer, p.SessionOf(id))
		}
		answer["user"] = user
		if answer["user_id"] != nil {
			answer["user_id"] = id
		}
		return answer
	})
}

// OtherSession returns a Fault that sends the correct response for another live
// session of the same user. If there is none, the server starts one. It applies
// to the endpoints whose response contains a session.
func OtherSession() Fault {
	return swapped("OtherSession", []string{api.PathAuthenticate, api.PathCreateUser, api.PathSignIn}, func(p *state.Project, answer state.Object) state.Object {
		shown, _ := answer["session"].(state.Object) // nil if a sign-in starts no session
		id, _ := shown["session_id"].(string)
		maps.Copy(answer, p.OtherSession(id)) // copies nothing if the session has since ended
		return answer
	})
}

// WithoutIDs returns a Fault that sends the correct response without the ids of
// sessions, users, keys and roles, at any depth. The session JWT and the
// request id do not change.
func WithoutIDs() Fault {
	return swapped("WithoutIDs", nil, func(_ *state.Project, answer state.Object) state.Object {
		dropIDs(answer)
		return answer
	})
}

// dropIDs removes the ids from decoded JSON in place, except the request id.
func dropIDs(v any) {
	switch v := v.(type) {
	case state.Object:
		for name, member := range v {
			if strings.HasSuffix(name, "_id") && name != "request_id" || name == "kid" {
				delete(v, name)
			}
			dropIDs(member)
		}
	case []any:
		for _, member := range v {
			dropIDs(member)
		}
	}
}

// swapped returns a Fault that replaces every successful response. swap may
// change and return the response.
func swapped(name string, paths []string, swap func(*state.Project, state.Object) state.Object) Fault {
	return Fault{effect: &effect{name: name, paths: paths, reply: func(p *state.Project, c *api.Call) wire.Reply {
		reply := c.Answer()
		if reply.Status != http.StatusOK {
			return reply
		}
		var answer state.Object
		if err := state.Decode(reply.Text, &answer); err != nil {
			panic("stytchtest: cannot decode an answer that was just encoded: " + err.Error())
		}
		return c.Reply(swap(p, answer))
	}}}
}
