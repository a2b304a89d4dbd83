package sessionauth

import (
	"sync/atomic"
	"testing"
	"time"
)

// A request looks at the numbers of the revoked list without its lock, so none may be
// too low while a mark is replaced. From outside one request in thousands would see it.
func TestNumbersOfTheRevokedListWhileAMarkIsReplaced(t *testing.T) {
	now := time.Now()
	l := &revokedList{}
	key := digestOf("a token of an unknown session")
	replace := func() { l.denyCredential(key, &Credential{}, now) }
	for name, number := range map[string]*atomic.Int64{"size": &l.size, "pending": &l.pending, "signedOut": &l.signedOut} {
		replace()
		replaced := make(chan struct{})
		go func() {
			defer close(replaced)
			for range 200_000 {
				replace()
			}
		}()
		for isBusy := true; isBusy; {
			for range 1000 {
				if n := number.Load(); n < 1 {
					t.Fatalf("%s: got %d, want 1 at least", name, n)
				}
			}
			select {
			case <-replaced:
				isBusy = false
			default:
			}
		}
	}
}
