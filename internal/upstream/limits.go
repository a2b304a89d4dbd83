package upstream

import (
	"errors"
	"slices"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
)

const (
	maxSubjects = 4096 // a recentMap remembers at least this many subjects, and at most twice as many

	boundCalls  = 4 // calls about a subject with a Bound in boundPeriod
	boundPeriod = 5 * time.Second

	pauseAfter  = 3 // this many different subjects with a 429 in pausePeriod pause a group
	pausePeriod = 10 * time.Second
)

// limits refuses calls because of the results of earlier calls. It refuses
// calls about a subject after a 429 or after too many calls, and calls of a
// group after several subjects received a 429. The mutex of capacity guards it.
type limits struct {
	maxLive int // maximum number of calls of class Live in progress about one subject

	paused  recentMap[time.Time] // when the pause of a subject ends
	records recentMap[*record]
	groups  map[group]*pause // one for each kind of call, so the map stays small
}

// A group is the calls of one class to one endpoint. Stytch has a rate limit
// for each endpoint.
type group struct {
	class    Class
	endpoint string
}

// A pause is the state of a group after a 429.
type pause struct {
	until  time.Time
	recent []tooMany // the latest 429s of different subjects, at most pauseAfter
}

// tooMany is a 429 response.
type tooMany struct {
	subject Subject
	at      time.Time
}

// A record counts the calls about a subject with a Bound.
type record struct {
	underWay [classCount]int
	began    []time.Time // when the latest counted calls began, at most boundCalls
}

func newLimits(maxInFlight int) limits {
	return limits{
		maxLive: max(boundCalls, maxInFlight/4),
		paused:  recentMap[time.Time]{max: maxSubjects},
		records: recentMap[*record]{max: maxSubjects},
		groups:  map[group]*pause{},
	}
}

// check returns an *Error if a call must not be made now. Otherwise it returns
// the record of the call's subject, or nil if the call has no bound.
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
	if call.Class == Live { // a page may send several such requests at once
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

// add records a 429. If enough different subjects received one, add pauses the
// group until the given time.
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

// add counts a call.
func (r *record) add(began time.Time) {
	r.began = append(r.began, began)
	if len(r.began) > boundCalls {
		r.began = slices.Delete(r.began, 0, 1)
	}
}

// wait returns the time until the next call may be allowed, at least one
// second.
func (r *record) wait(now time.Time) time.Duration {
	if len(r.began) < boundCalls {
		return time.Second // a call in progress must end first
	}
	return max(time.Second, slices.MinFunc(r.began, time.Time.Compare).Add(boundPeriod).Sub(now))
}

// isCounted reports whether the result of a call counts against its subject. A
// failure of the endpoint does not count, because the client did not cause it,
// and because the limit must not hide an outage.
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

// A recentMap remembers the most recently used values: at least max of them,
// and at most twice as many.
type recentMap[V any] struct {
	max        int
	young, old map[Subject]V
}

// get returns the value of a subject, and whether it exists.
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

// put stores a value. If the newer half is full, put drops the older half,
// which holds the values that were not used recently.
func (m *recentMap[V]) put(k Subject, v V) {
	if _, ok := m.young[k]; !ok && (m.young == nil || len(m.young) >= m.max) {
		m.young, m.old = map[Subject]V{}, m.young
	}
	m.young[k] = v
}

// ClampRetryAfter limits a Retry-After to between 1 and 60 seconds, so that an
// absurd value does not block calls for long.
func ClampRetryAfter(d time.Duration) time.Duration {
	return min(max(d, time.Second), time.Minute)
}
