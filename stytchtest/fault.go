package stytchtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// HTML is a page in the place of JSON, as proxies and load balancers send it:
// with the status 502 or 504, or with 200. A status below 200 or above 599, or
// one that has no body, panics.
func HTML(status int) Fault {
	page := fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%[1]d %[2]s</title></head>\n<body><h1>%[1]d %[2]s</h1></body></html>\n",
		status, html.EscapeString(http.StatusText(status)))
	return answers("HTML", status, "text/html; charset=utf-8", page)
}

// Raw is an answer of any bytes, said to be JSON unless Fault.Header says
// otherwise: Raw(200, ""), Raw(200, "null"), Raw(404, `[{"error_type":…}]`).
// A status below 200 or above 599, or a body where the status has none, panics.
func Raw(status int, body string) Fault {
	return answers("Raw", status, "application/json", body)
}

// Redirect sends the caller elsewhere, to a bait: Server.UnexpectedCalls tells whether
// Server.Client was asked to go there. The status is 301, 302, 303, 307 or 308,
// and the URL is absolute or it panics.
func Redirect(status int, to string) Fault {
	switch status {
	case 301, 302, 303, 307, 308:
	default:
		panic("stytchtest: Redirect: " + strconv.Itoa(status) + " is not the status of a redirect")
	}
	if u, err := url.Parse(to); err != nil || u.Host == "" {
		panic("stytchtest: Redirect: not an absolute URL: " + strconv.Quote(to))
	}
	return Fault{effect: &effect{name: "Redirect", reply: func(*Server, *call, endpoint) reply {
		return reply{status: status, header: http.Header{"Location": {to}}}
	}}}
}

// Endless is an answer with status 200 that is JSON so far, and never ends.
func Endless() Fault {
	return Fault{effect: &effect{name: "Endless", reply: func(*Server, *call, endpoint) reply {
		return reply{
			status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, length: -1,
			stream: io.MultiReader(strings.NewReader(`{"padding":"`), &repeated{text: bytes.Repeat([]byte("x"), 32<<10), times: -1}),
		}
	}}}
}

// GzipBomb is a JSON object of 1 GiB with status 200, compressed to 1 MiB. As
// with net/http's own transport, a caller of Server.Client who asks for no
// encoding sees the gigabyte.
func GzipBomb() Fault {
	return Fault{effect: &effect{name: "GzipBomb", reply: func(*Server, *call, endpoint) reply {
		// A gzip file may be several, one after the other (RFC 1952, section 2.2).
		members := bomb()
		return reply{
			status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, length: -1,
			stream: io.MultiReader(bytes.NewReader(members.start), &repeated{text: members.mebibyte, times: 1024}, bytes.NewReader(members.end)),
		}
	}}}
}

type bombMembers struct{ start, mebibyte, end []byte }

// bomb compresses what a GzipBomb is put together from, once: it is a constant.
var bomb = sync.OnceValue(func() bombMembers {
	return bombMembers{zip(`{"padding":"`), zip(strings.Repeat("x", 1<<20)), zip(`"}`)}
})

func zip(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text) // a bytes.Buffer takes everything
	_ = z.Close()                  // as above
	return b.Bytes()
}

// A repeated gives a text again and again: times times, or, if that is negative,
// for longer than anybody reads.
type repeated struct {
	text      []byte
	at, times int
}

// Read implements io.Reader.
func (r *repeated) Read(p []byte) (int, error) {
	if r.at == len(r.text) {
		r.at = 0
		r.times--
	}
	if r.times == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	r.at += n
	return n, nil
}

// answers makes Fault in which every call has the same answer.
func answers(name string, status int, contentType, body string) Fault {
	switch {
	case status < 200 || status > 599:
		panic("stytchtest: " + name + ": the status is not between 200 and 599: " + strconv.Itoa(status))
	case (status == http.StatusNoContent || status == http.StatusNotModified) && body != "":
		panic("stytchtest: " + name + ": an answer with this status has no body: " + strconv.Itoa(status))
	}
	return Fault{effect: &effect{name: name, reply: func(*Server, *call, endpoint) reply {
		return reply{status: status, header: http.Header{"Content-Type": {contentType}}, text: []byte(body)}
	}}}
}
