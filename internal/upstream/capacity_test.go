package upstream

import "testing"

func TestCapacity_PlacesOfEachClass(t *testing.T) {
	rows := []struct {
		name         string
		maxInFlight  int
		first, then  Call
		admitted     int // how many of many first calls are admitted
		admittedThen int // how many of many later calls are admitted
	}{
		{"unverified tokens leave the places of signed-in users", 64, IntrospectUnverified, Introspect, 48, 8},
		{"unverified tokens leave the places of live guards", 64, IntrospectUnverified, IntrospectLive, 48, 4},
		{"unverified tokens leave the places of sign-ins", 64, IntrospectUnverified, SignIn, 48, 4},
		{"sign-ins leave the places of signed-in users", 64, SignIn, LoadUser, 52, 8},
		{"sign-ins leave no place to unverified tokens", 64, SignIn, IntrospectUnverified, 52, 0},
		{"live guards leave the places of signed-in users", 64, IntrospectLive, Introspect, 52, 8},
		{"signed-in users leave the places of sign-ins", 64, Introspect, SignIn, 56, 4},
		{"the places of a class are not taken from the shared ones", 64, SignIn, IntrospectLive, 52, 4},
		{"step-ups are for signed-in users", 64, SignIn, StepUp, 52, 8},
		{"the key set takes the places of signed-in users", 64, IntrospectUnverified, LoadKeySet, 48, 8},
		{"in proportion", 16, IntrospectUnverified, Introspect, 12, 2},
		{"a thousand", 1000, IntrospectUnverified, Introspect, 751, 125},
		{"a place for each: signed-in users", 4, IntrospectUnverified, Introspect, 1, 1},
		{"a place for each: live guards", 4, IntrospectUnverified, IntrospectLive, 1, 1},
		{"a place for each: sign-ins", 4, IntrospectUnverified, SignIn, 1, 1},
		{"a place for each: unverified tokens", 4, IntrospectUnverified, IntrospectUnverified, 1, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			inBubble(t, row.maxInFlight, func(t *testing.T, u *testUpstream) {
				for range 2 { // the second iteration shows that the places are free after the calls
					admitted, release := u.hold(row.first, 2*row.maxInFlight)
					then, releaseThen := u.hold(row.then, 2*row.maxInFlight)
					if admitted != row.admitted || then != row.admittedThen {
						t.Errorf("got %d and then %d calls admitted, want %d and %d", admitted, then, row.admitted, row.admittedThen)
					}
					release()
					releaseThen()
				}
			})
		})
	}
}
