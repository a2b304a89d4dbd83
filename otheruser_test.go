package sessionauth_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// An external id is what an application makes of it: a user whose external id is
// another's user id is nevertheless not that other user.
func TestAUserByExternalIDIsNotTheUserOfTheJWT(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		mallory := s.AddUser(stytchtest.User{}).ID
		s.tap("/v1/users/", func(r *http.Request, stytch http.RoundTripper) (*http.Response, error) {
			resp, err := stytch.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			var user map[string]any
			if err := json.NewDecoder(resp.Body).Decode(&user); err != nil {
				return nil, err
			}
			user["external_id"], user["user_id"] = user["user_id"], mallory
			text := asJSON(user)
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
			resp.Header.Del("Content-Length")
			return resp, nil
		})
		s.want(s.get(bearer(s.session.JWT)), 503)
		s.wantCalls(pathUser, 1)
		s.wantThrough(0, "")
		s.tap("/v1/users/", nil)
		s.want(s.get(bearer(s.session.JWT)), 200)
	})
}
