package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sessionauth/sessionauth"
	"github.com/sessionauth/sessionauth/bench/internal/report"
)

const (
	hostileTokens = 1000
	firstComers   = 100
	faultDelay    = 20 * time.Millisecond // delay before each response of the provider
)

// calls counts the calls to the provider that one middleware makes.
type calls struct {
	Name       string `json:"name"`
	Forged     int64  `json:"forged"`      // 1,000 JWTs with a bad signature
	UnknownKey int64  `json:"unknown_key"` // 1,000 JWTs with unknown key ids
	Opaque     int64  `json:"opaque"`      // 1,000 invented opaque tokens; -1 if the middleware does not support them
	First      int64  `json:"first"`       // 100 concurrent first requests
	FirstOK    int    `json:"first_ok"`    // number of the concurrent first requests that passed
}

// measureFaults counts calls. It must run before anything else uses the Clerk client, because that
// client caches keys for the whole process.
func measureFaults() ([]calls, error) {
	own := func(change func(*sessionauth.Config)) func(*provider) (http.Handler, error) {
		return func(p *provider) (http.Handler, error) {
			config := sessionauth.Config{ProjectID: p.stytch.ProjectID, Secret: p.stytch.Secret, BaseURL: p.socket.URL}
			change(&config)
			auth, err := sessionauth.New(config)
			if err != nil {
				return nil, err
			}
			return auth.Require(empty), nil
		}
	}
	list := []peer{
		{name: "sessionauth", wire: own(func(*sessionauth.Config) {}), fetches: true},
		{name: "sessionauth, SessionOnly", wire: own(func(c *sessionauth.Config) { c.SessionOnly = true }), fetches: true},
	}
	var all []calls
	for i, peer := range append(list, peers...) {
		if !peer.fetches {
			continue
		}
		c, err := countCalls(peer, i < len(list))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", peer.name, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func countCalls(peer peer, opaque bool) (calls, error) {
	p := newProvider(faultDelay)
	defer p.socket.Close()
	h, err := peer.wire(p)
	if err != nil {
		return calls{}, err
	}
	c := calls{Name: peer.name, Opaque: -1}
	session := p.signIn()
	c.First = p.count(func() { c.FirstOK = together(h, session.JWT) })
	c.Forged = p.count(func() {
		for i := range hostileTokens {
			refuse(h, forge(p.stytch.Sign(mustJSON(p.stytch.Header()), fmt.Appendf(nil, `{"iat":%d,"jti":"%d"}`, time.Now().Unix(), i))))
		}
	})
	c.UnknownKey = p.count(func() {
		payload := base64.RawURLEncoding.EncodeToString(mustJSON(p.stytch.Claims(session.ID)))
		signature := session.JWT[len(session.JWT)-342:]
		for i := range hostileTokens {
			header := fmt.Appendf(nil, `{"alg":"RS256","kid":"invented-%d","typ":"JWT"}`, i)
			refuse(h, base64.RawURLEncoding.EncodeToString(header)+"."+payload+"."+signature)
		}
	})
	if opaque {
		c.Opaque = p.count(func() {
			for i := range hostileTokens {
				refuse(h, fmt.Sprintf("invented-opaque-token-%08d", i))
			}
		})
	}
	return c, nil
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("bench: " + err.Error())
	}
	return b
}

// count returns how many calls arrive while do runs.
func (p *provider) count(do func()) int64 {
	before := p.calls.Load()
	do()
	return p.calls.Load() - before
}

func refuse(h http.Handler, credential string) {
	w := &status{discard: discard{http.Header{}}}
	h.ServeHTTP(w, bearer(credential))
	if w.code < 400 {
		panic("bench: a hostile token passed")
	}
}

// A status records the status code, or zero if the handler wrote none.
type status struct {
	discard
	code int
}

func (s *status) WriteHeader(code int) { s.code = code }

// together sends requests concurrently and returns how many passed.
func together(h http.Handler, credential string) int {
	var group sync.WaitGroup
	barrier := make(chan struct{})
	codes := make([]int, firstComers)
	for i := range codes {
		group.Go(func() {
			w := &status{discard: discard{http.Header{}}}
			<-barrier
			h.ServeHTTP(w, bearer(credential))
			codes[i] = w.code
		})
	}
	close(barrier)
	group.Wait()
	passed := 0
	for _, code := range codes {
		if code == 0 {
			passed++
		}
	}
	return passed
}

func callsTable(all []calls) string {
	rows := make([][]string, len(all))
	for i, c := range all {
		opaque := "–"
		if c.Opaque >= 0 {
			opaque = fmt.Sprint(c.Opaque)
		}
		rows[i] = []string{c.Name, fmt.Sprintf("%d (%d passed)", c.First, c.FirstOK), fmt.Sprint(c.Forged), fmt.Sprint(c.UnknownKey), opaque}
	}
	return report.Table([]string{"", ":100 concurrent first requests", ":1,000 forged JWTs", ":1,000 JWTs with invented key ids", ":1,000 invented opaque tokens"}, rows)
}
