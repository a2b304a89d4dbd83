package strictjson_test

import (
	"encoding/json"
	"testing"

	"github.com/sessionauth/sessionauth/internal/strictjson"
)

// payload is a session JWT payload with the size and the claims of a real one.
const payload = `{"aud":["project-test-9e1c7a52-3b0d-4f6e-8a91-5d2f0c4b7e68"],"exp":1762944049,` +
	`"https://stytch.com/session":{"id":"session-test-1f5b8c3d-7a2e-4c90-b6d4-e83f0a95c217",` +
	`"started_at":"2025-11-12T10:35:49Z","last_accessed_at":"2025-11-12T10:35:49Z","expires_at":"2025-11-12T14:35:49Z",` +
	`"attributes":{"user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0","ip_address":"203.0.113.7"},` +
	`"authentication_factors":[{"type":"password","delivery_method":"knowledge","last_authenticated_at":"2025-11-12T10:35:49Z"}],` +
	`"roles":["stytch_user","admin"]},"https://stytch.com/organization":{"organization_id":"organization-test-007d9d4a-deac-4a87-ba0a-e6e8afba4d4b","slug":"acme"},` +
	`"iat":1762943749,"iss":"stytch.com/project-test-9e1c7a52-3b0d-4f6e-8a91-5d2f0c4b7e68","nbf":1762943749,` +
	`"sub":"user-test-c2d8e6f1-90ab-4d37-8e15-7b6a4f3c2d10","email":"zoë@example.com"}`

func BenchmarkCheck(b *testing.B) {
	data := []byte(payload)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := strictjson.CheckObject(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMembers(b *testing.B) {
	data := []byte(payload)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for range strictjson.Members(data) {
			n++
		}
		if n != 9 {
			b.Fatalf("got %d members, want 9", n)
		}
	}
}

// BenchmarkValid measures encoding/json with the same text, for comparison.
func BenchmarkValid(b *testing.B) {
	data := []byte(payload)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if !json.Valid(data) {
			b.Fatal("got false, want true")
		}
	}
}
