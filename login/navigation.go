package login

import (
	"net/http"
	"strconv"
	"strings"
)

// isNavigation reports whether a browser requests a page to show it in a window
// or tab. RedirectTo documents the rules.
func isNavigation(r *http.Request) bool {
	h := r.Header
	if r.Method != http.MethodGet && r.Method != http.MethodHead || isScript(h) || isPrefetch(h) {
		return false
	}
	mode, dest := h.Get("Sec-Fetch-Mode"), h.Get("Sec-Fetch-Dest")
	if mode != "" && mode != "navigate" || dest != "" && dest != "document" {
		return false
	}
	return mode != "" && dest != "" || prefersHTML(h["Accept"])
}

// isScript reports whether a header set by a JavaScript library shows that a
// script sent the request. Sec-Fetch-Mode is not sufficient, because browsers
// send it only to https and to localhost. Only one value of X-Requested-With
// counts, because Android's WebView sets it to the name of the app.
func isScript(h http.Header) bool {
	return strings.EqualFold(h.Get("X-Requested-With"), "XMLHttpRequest") || h.Get("HX-Request") != "" || h.Get("Turbo-Frame") != ""
}

// isPrefetch reports whether a browser fetches a page that the user has not
// opened yet. If the response were a sign-in page, the browser would show it
// when the user opens the page, even if the user has signed in meanwhile.
func isPrefetch(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		if purpose := strings.ToLower(h.Get(name)); strings.Contains(purpose, "prefetch") || strings.Contains(purpose, "prerender") || purpose == "preview" {
			return true
		}
	}
	return false
}

// prefersHTML reports whether Accept (RFC 9110, section 12.5.1) contains text/html
// and no JSON type with a greater weight. A wildcard is not enough: scripts send it.
func prefersHTML(accept []string) bool {
	var html, json float64
	for _, field := range accept {
		for item := range strings.SplitSeq(field, ",") {
			mediaType, parameters, _ := strings.Cut(item, ";")
			switch mediaType = strings.ToLower(strings.TrimSpace(mediaType)); {
			case mediaType == "text/html":
				html = max(html, weight(parameters))
			case strings.HasSuffix(mediaType, "json"):
				json = max(json, weight(parameters))
			}
		}
	}
	return html > 0 && html >= json
}

// weight returns the weight q of a media range, from 0 to 1. If q cannot be
// parsed, the weight is 0, because browsers send a valid one.
func weight(parameters string) float64 {
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil || !(0 <= q && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}
