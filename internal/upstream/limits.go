package upstream

import (
	"errors"
	"slices"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

const (
	maxSubjects = 4096 // that are remembered at least, and at most twice as many

	boundCalls  = 4 // about a subject with a Bound, in boundPeriod
	boundPeriod = 5 * time.Second

	pauseAfter  = 3 // different subjects with a 429 in pausePeriod pause a group
	pausePeriod = 10 * time.Second
)

// limits holds back calls because of earlier calls: about a subject after a 429
// or after too many calls, and of a group after a 429 about several subjects. A
// capacity guards it.
type limits struct {
	maxLive int // calls of class Live under way about one subject

	paused  recentMap[time.Time] // the ends of the pauses
	records recentMap[*record]
	groups  map[group]*pause // as many as there are kinds of calls
}

// A group is the calls of one class to one endpoint. Stytch limits rates by
// endpoint.
type group struct {
	class    Class
	endpoint string
}

// A pause is the state of a group after a 429.
type pause struct {
	until  time.Time
	recent []tooMany // the last of different subjects, at most pauseAfter
}

// tooMany is a 429.
type tooMany struct {
	subject Subject
	at      time.Time
}

// A record is what a subject with a Bound has caused.
type record struct {
	underWay [classCount]int
	began    []time.Time // of the last calls that count, at most boundCalls
}

func newLimits(maxInFlight int) limits {
	return limits{
		maxLive: max(boundCalls, maxInFlight/4),
		paused:  recentMap[time.Time]{max: maxSubjects},
		records: recentMap[*record]{max: maxSubjects},
		groups:  map[group]*pause{},
	}
}

// check returns an *Error if a call must not be made now. It returns the record
// of the call's subject, or nil if the call has no bound.
func (l *limits) check(call Call, now time.Time) (*record, error) {
	if call.Rare {
		return nil, nil
	}
	until, _ := l.paused.get(call.Subject)
	if g := l.groups[group{call.Class, call.Endpoint}]; g != nil && g.until.After(until) {
		until = g.until
	}
	if wait := until.Sub(now); wait > 0 {
		return nil, &Error{Reason: RateLimited, RetryAfter: wait}
	}
	if call.Bound == NoBound {
		return nil, nil
	}
	r, ok := l.records.get(call.Subject)
	if !ok {
		r = &record{}
		l.records.put(call.Subject, r)
	}
	r.began = slices.DeleteFunc(r.began, func(t time.Time) bool { return now.Sub(t) >= boundPeriod })
	limit := boundCalls
	if call.Class == Live { // of which a page may send several at once
		limit = l.maxLive
	}
	if len(r.began) >= boundCalls || len(r.began)+r.underWay[call.Class] >= limit {
		return nil, &Error{Reason: RateLimited, RetryAfter: r.wait(now)}
	}
	return r, nil
}

// observe records the result of a call.
func (l *limits) observe(call Call, err error, now time.Time) {
	var se *stytch.Error
	if call.Rare || call.Personal || !errors.As(err, &se) || se.StatusCode != 429 {
		return
	}
	until := now.Add(ClampRetryAfter(se.RetryAfter))
	if call.Subject != (Subject{}) {
		l.paused.put(call.Subject, until)
	}
	g := group{call.Class, call.Endpoint}
	if l.groups[g] == nil {
		l.groups[g] = &pause{}
	}
	l.groups[g].add(tooMany{call.Subject, now}, until)
}

// add records a 429, and pauses the group until a time if there were several of
// different subjects.
func (p *pause) add(added tooMany, until time.Time) {
	p.recent = slices.DeleteFunc(p.recent, func(t tooMany) bool {
		return added.at.Sub(t.at) >= pausePeriod || t.subject == added.subject
	})
	p.recent = append(p.recent, added)
	if len(p.recent) < pauseAfter {
		return
	}
	p.recent = slices.Delete(p.recent, 0, len(p.recent)-pauseAfter)
	p.until = until
}

// add counts a call that began at a time.
func (r *record) add(began time.Time) {
	r.began = append(r.began, began)
	if len(r.began) > boundCalls {
		r.began = slices.Delete(r.began, 0, 1)
	}
}

// wait returns when the next call may be admitted: at least a second from now.
func (r *record) wait(now time.Time) time.Duration {
	if len(r.began) < boundCalls {
		return time.Second // until a call that is under way has ended
	}
	return max(time.Second, slices.MinFunc(r.began, time.Time.Compare).Add(boundPeriod).Sub(now))
}

// isCounted reports whether the result of a call counts against its subject. A
// failure of the endpoint does not: it is not the doing of the client, and a
// bound must not hide an outage.
func isCounted(call Call, err error) bool {
	var se *stytch.Error
	switch {
	case errors.As(err, &se):
		typed := se.Type != "" && se.StatusCode < 500 && !IsForbidden(err)
		return isAnswered(err) || typed && !isMisconfigured(call, err)
	case call.Bound == BoundRejections, isFault(err), errors.As(err, new(*Error)), errors.Is(err, ErrPanic):
		return false
	}
	return true
}

// A recentMap remembers the values that were used last, at least max and at most
// twice as many.
type recentMap[V any] struct {
	max        int
	young, old map[Subject]V
}

// get returns the value of a subject, and whether there is one.
func (m *recentMap[V]) get(k Subject) (V, bool) {
	if v, ok := m.young[k]; ok {
		return v, true
	}
	v, ok := m.old[k]
	if ok {
		m.put(k, v)
	}
	return v, ok
}

// put stores a value. If there are too many, it drops those that were not used
// since it last did.
func (m *recentMap[V]) put(k Subject, v V) {
	if _, ok := m.young[k]; !ok && (m.young == nil || len(m.young) >= m.max) {
		m.young, m.old = map[Subject]V{}, m.young
	}
	m.young[k] = v
}

// ClampRetryAfter limits a Retry-After to 1 to 60 seconds, so that an absurd
// value locks nobody out.
func ClampRetryAfter(d time.Duration) time.Duration {
	return min(max(d, time.Second), time.Minute)
}
