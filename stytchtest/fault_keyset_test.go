package stytchtest_test

import (
	"fmt"
	"testing"

	"github.com/sessionauth/sessionauth/stytchtest"
)

// served returns the keys and the size of the key set while a KeySetFault applies.
func served(t *testing.T, srv *stytchtest.Server, fault stytchtest.KeySetFault) (keys []map[string]any, size int) {
	t.Helper()
	srv.SetFault(keySetPath, stytchtest.KeySet(fault))
	a := get(t, srv, "/v1/sessions/jwks/"+srv.ProjectID)
	a.want(t, 200, "")
	for _, k := range a.body["keys"].([]any) {
		keys = append(keys, k.(map[string]any))
	}
	return keys, len(a.raw)
}

func kids(keys []map[string]any) (all []any) {
	for _, k := range keys {
		all = append(all, k["kid"])
	}
	return all
}

func TestKeySet(t *testing.T) {
	srv := stytchtest.NewServer()
	old := srv.KeyID()
	current := srv.RotateKeys()
	srv.SetFault(keySetPath, stytchtest.Fault{})
	good := get(t, srv, "/v1/sessions/jwks/"+srv.ProjectID).body["keys"].([]any)

	keys, _ := served(t, srv, stytchtest.NoKeys)
	equal(t, "no keys", len(keys), `0`)

	keys, _ = served(t, srv, stytchtest.RolledBack)
	equal(t, "rolled back", kids(keys), `["`+old+`"]`)

	keys, _ = served(t, srv, stytchtest.BadKeys)
	n := len(keys) - 2
	equal(t, "bad, then good", kids(keys[n:]), `["`+old+`","`+current+`"]`)
	equal(t, "the good ones are unchanged", []any{keys[n], keys[n+1]}, string(asJSON(t, good)))
	if n < 10 {
		t.Errorf("got %d bad keys, want 10 or more", n)
	}

	only, _ := served(t, srv, stytchtest.OnlyBadKeys)
	equal(t, "only the bad ones", only, string(asJSON(t, keys[:n])))
	seen := map[string]bool{}
	for _, k := range only {
		seen[fmt.Sprint(k["kty"], k["use"], k["alg"], k["key_ops"], k["n"], k["e"], k["d"], k["kid"] == nil)] = true
	}
	if len(seen) != n {
		t.Errorf("got %d sorts of bad keys among %d, want all to differ", len(seen), n)
	}

	keys, _ = served(t, srv, stytchtest.ManyKeys)
	equal(t, "the good ones are the last", kids(keys[len(keys)-2:]), `["`+old+`","`+current+`"]`)
	if len(keys) != 10_002 || keys[0]["kid"] == keys[1]["kid"] || keys[0]["n"] == nil {
		t.Errorf("got %d keys, want 10002 that differ", len(keys))
	}

	keys, size := served(t, srv, stytchtest.HugeKeys)
	equal(t, "huge", kids(keys), `["`+old+`","`+current+`"]`)
	if size < 10<<20 {
		t.Errorf("got %d bytes, want 10 MiB", size)
	}

	keys, _ = served(t, srv, stytchtest.DuplicateKeyIDs)
	equal(t, "duplicate", kids(keys), `["`+old+`","`+old+`","`+current+`","`+current+`"]`)
	equal(t, "the second is the good one", []any{keys[1], keys[3]}, string(asJSON(t, good)))
	if keys[0]["n"] == keys[1]["n"] || keys[2]["n"] == keys[3]["n"] {
		t.Error("got the same key twice, want two")
	}

	keys, _ = served(t, srv, stytchtest.ExponentOne)
	equal(t, "exponents", []any{keys[0]["e"], keys[1]["e"]}, `["AQ","AQ"]`)
	equal(t, "of the good keys", []any{keys[0]["n"], kids(keys)}, string(asJSON(t, []any{good[0].(map[string]any)["n"], []string{old, current}})))

	srv.SetFault(keySetPath, stytchtest.Fault{})
	equal(t, "healthy again", get(t, srv, "/v1/sessions/jwks/"+srv.ProjectID).body["keys"], string(asJSON(t, good)))
}

func TestKeySet_RolledBackBeforeRotation(t *testing.T) {
	srv := stytchtest.NewServer()
	old := srv.KeyID()
	if keys, _ := served(t, srv, stytchtest.RolledBack); len(keys) != 0 {
		t.Errorf("got %d keys, want none before the rotation", len(keys))
	}
	srv.RotateKeys()
	keys, _ := served(t, srv, stytchtest.RolledBack)
	equal(t, "keys", kids(keys), `["`+old+`"]`)
}

func TestKeySet_WithoutKeys(t *testing.T) {
	srv := stytchtest.NewServer()
	srv.WithdrawKey(srv.KeyID())
	if keys, _ := served(t, srv, stytchtest.NoKeys); len(keys) != 0 {
		t.Errorf("got %d keys, want none", len(keys))
	}
	panics(t, "no key", func() { served(t, srv, stytchtest.BadKeys) })
	srv.Calls("") // would hang if the panic had left a lock held
}

func TestKeySet_EveryPath(t *testing.T) {
	srv := stytchtest.NewServer()
	for pattern, path := range map[string]string{
		"/.well-known/jwks.json":                        "/.well-known/jwks.json",
		"/v1/public/{project_id}/.well-known/jwks.json": "/v1/public/" + srv.ProjectID + "/.well-known/jwks.json",
		keySetPath: "/v1/sessions/jwks/" + srv.ProjectID,
	} {
		srv.SetFault(pattern, stytchtest.KeySet(stytchtest.NoKeys).For(1))
		equal(t, path, get(t, srv, path).body["keys"], `[]`)
		if keys := get(t, srv, path).body["keys"].([]any); len(keys) != 1 {
			t.Errorf("%s: got %d keys, want 1 from a healthy endpoint", path, len(keys))
		}
	}
	srv.SetFault(keySetPath, stytchtest.KeySet(stytchtest.NoKeys))
	get(t, srv, "/v1/sessions/jwks/project-test-other").want(t, 400, "invalid_project_id_authentication")
}
