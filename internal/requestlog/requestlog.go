// Package requestlog describes requests in log lines.
package requestlog

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
)

// maxText bounds what a client can write into one attribute, in bytes.
const maxText = 200

type key struct{}

// With returns a context that holds r, for code that receives no more than the
// context of a request.
func With(ctx context.Context, r *http.Request) context.Context {
	return context.WithValue(ctx, key{}, r)
}

// Attrs returns the method and the route of r, or of the request that With has
// stored in ctx. The route is the pattern that an http.ServeMux has matched: a
// path may contain a secret, such as a code to reset a password. Without a
// pattern it is the path without segments that may be a secret, never with the
// query.
func Attrs(ctx context.Context, r *http.Request) []slog.Attr {
	if r == nil {
		r, _ = ctx.Value(key{}).(*http.Request)
	}
	switch {
	case r == nil:
		return nil
	case r.Pattern != "":
		return []slog.Attr{slog.String("method", short(r.Method)), slog.String("route", r.Pattern)}
	case r.URL == nil:
		return []slog.Attr{slog.String("method", short(r.Method))}
	}
	return []slog.Attr{slog.String("method", short(r.Method)), slog.String("path", short(public(r.URL.Path)))}
}

// public returns a path with "…" for each segment that may be a credential, a code
// or an e-mail address.
func public(path string) string {
	var b strings.Builder
	for i, segment := range strings.SplitN(path, "/", 32) {
		if i > 0 {
			b.WriteByte('/')
		}
		if mayBeSecret(segment) {
			segment = "…"
		}
		b.WriteString(segment)
		if b.Len() > maxText {
			break
		}
	}
	return b.String()
}

// mayBeSecret reports whether a segment looks random. A session token has at least
// 16 bytes; the names of pages are seldom as long and have neither digits nor
// capital letters.
func mayBeSecret(segment string) bool {
	return strings.Contains(segment, "@") ||
		len(segment) >= 16 && strings.ContainsAny(segment, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

// short returns the beginning of s, as valid UTF-8. It copies what it cuts: a
// Handler may keep the attribute.
func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "") + "…"
}
