package wire

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"strings"
	"sync"
	"time"
)

// Half returns a stream of the first half of text that ends with err.
func Half(text []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(text[:len(text)/2]), failing{err})
}

type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Trickle returns a stream of text that sends one byte after each interval. If
// ctx is done first, the stream ends with the error of ctx.
func Trickle(ctx context.Context, interval time.Duration, text []byte) io.Reader {
	return &trickle{ctx, interval, text}
}

type trickle struct {
	ctx      context.Context // context of the request
	interval time.Duration
	text     []byte // the bytes that have not been read yet
}

// Read implements io.Reader.
func (t *trickle) Read(p []byte) (int, error) {
	if len(t.text) == 0 {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	if err := Wait(t.ctx, t.interval); err != nil {
		return 0, err
	}
	p[0], t.text = t.text[0], t.text[1:]
	return 1, nil
}

// Endless returns a stream that begins like a JSON object and never ends.
func Endless() io.Reader {
	return io.MultiReader(strings.NewReader(bombStart), &repeated{text: bytes.Repeat([]byte("x"), 32<<10), times: -1})
}

// GzipBomb returns a stream of gzip that decompresses to a JSON object of 1 GiB.
func GzipBomb() io.Reader {
	// A gzip file may consist of several consecutive members (RFC 1952, section
	// 2.2).
	members := bomb()
	return io.MultiReader(bytes.NewReader(members.start), &repeated{text: members.mebibyte, times: 1024}, bytes.NewReader(members.end))
}

const bombStart = `{"padding":"`

type bombMembers struct{ start, mebibyte, end []byte }

// bomb returns the gzip members of GzipBomb. It compresses them only once.
var bomb = sync.OnceValue(func() bombMembers {
	return bombMembers{compress(bombStart), compress(strings.Repeat("x", 1<<20)), compress(`"}`)}
})

func compress(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text) // writing to a bytes.Buffer never fails
	_ = z.Close()                  // as above
	return b.Bytes()
}

// A repeated is a stream that repeats a text. If times is negative, it never
// ends.
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
