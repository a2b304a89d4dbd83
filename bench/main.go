package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sessionauth/sessionauth/bench/internal/report"
	"github.com/sessionauth/sessionauth/bench/internal/stats"
)

var (
	quick    = flag.Bool("quick", false, "measure less: 9 rounds, 5,000 sessions")
	rounds   = flag.Int("rounds", 61, "number of rounds; each one measures one slice of every case")
	slice    = flag.Duration("slice", 15*time.Millisecond, "duration of one slice")
	sessions = flag.Int("sessions", 100_000, "distinct sessions for the memory measurement; 0 skips it")
	docs     = flag.String("docs", "../docs", "folder of performance.md and its plots; if empty, do not write them")
	results  = flag.String("json", "results.json", "file for the figures as JSON; if empty, do not write it")
)

func main() {
	flag.Parse()
	if *quick {
		*rounds, *sessions = 9, min(*sessions, 5000)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run counts the calls first, while the key cache of the Clerk client is empty. It measures memory
// last, because that disturbs the measurement of times.
func run() error {
	began := time.Now()
	o := &outcome{Machine: report.ThisMachine(), Versions: report.Versions(modules()...), Tags: report.BuildTags(), Rounds: *rounds, Slice: slice.String(), Date: began.UTC().Format(time.DateOnly)}
	say("calls to the provider")
	var err error
	if o.Calls, err = measureFaults(); err != nil {
		return err
	}
	p := newProvider(0)
	defer p.socket.Close()
	all, err := cases(p)
	if err != nil {
		return err
	}
	o.JWTBytes = len(p.signIn().JWT)
	fs := measure(all, *rounds, *slice, func(round int) { say("round %d of %d", round+1, *rounds) })
	o.RoundsOfTwo = max(3, *rounds/3)
	fill := func() error { return fillCache(p, handlerOf(all, warmHeader), sessionsInUse) }
	o.Heap, o.HeapInUse, err = fs.measureTwo(all, o.RoundsOfTwo, *slice, fill, func(round int) { say("two goroutines: round %d of %d", round+1, o.RoundsOfTwo) })
	if err != nil {
		return err
	}
	o.Targets = fs.verdicts()
	o.add(all, fs)
	if *sessions > 0 {
		say("memory of %d sessions", *sessions)
		if o.Memory, err = measureMemory(p, *sessions); err != nil {
			return err
		}
		for _, m := range o.Memory {
			o.Targets = append(o.Targets, m.verdict())
		}
	}
	say("done in %v\n", time.Since(began).Round(time.Second))
	return o.write(fs)
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "\r\033[K"+format, args...)
}

func modules() []string {
	list := []string{scsModule, jwtauthJWXModule}
	for _, p := range peers {
		list = append(list, p.module)
	}
	return list
}

// An outcome holds all results.
type outcome struct {
	Date        string            `json:"date"`
	Machine     report.Machine    `json:"machine"`
	Versions    map[string]string `json:"versions"`
	Tags        string            `json:"build_tags"`
	Rounds      int               `json:"rounds"`
	Slice       string            `json:"slice"`
	JWTBytes    int               `json:"jwt_bytes"`
	RoundsOfTwo int               `json:"rounds_of_two"` // rounds with two goroutines, whose slices are longer
	Heap        float64           `json:"heap"`          // size of the heap in bytes
	HeapInUse   float64           `json:"heap_in_use"`   // size of the heap in bytes with a full cache
	Cases       []caseOutcome     `json:"cases"`
	Targets     []verdict         `json:"targets"`
	Memory      []memory          `json:"memory,omitempty"`
	Calls       []calls           `json:"calls"`
}

// A caseOutcome summarizes one workload. Times are nanoseconds.
type caseOutcome struct {
	Name       string  `json:"name"`
	Median     float64 `json:"ns"`
	Low        float64 `json:"ns_low"` // first quartile of the rounds
	High       float64 `json:"ns_high"`
	Allocs     float64 `json:"allocs"`
	Bytes      float64 `json:"bytes"`
	TwoSpeedup float64 `json:"two_goroutines,omitempty"`        // throughput of two goroutines divided by that of one
	TwoInUse   float64 `json:"two_goroutines_in_use,omitempty"` // the same quotient with a full cache
}

func (o *outcome) add(all []workload, fs figures) {
	for _, w := range all {
		f := fs[w.name]
		c := caseOutcome{
			Name: w.name, Median: f.median(), Low: stats.Quantile(f.ns, 0.25), High: stats.Quantile(f.ns, 0.75),
			Allocs: f.allocs, Bytes: f.bytes,
		}
		if len(f.two) > 0 {
			c.TwoSpeedup, c.TwoInUse = stats.Median(f.two), stats.Median(f.inUse)
		}
		o.Cases = append(o.Cases, c)
	}
}

func (o *outcome) caseTable() string {
	var rows [][]string
	for _, c := range o.Cases {
		two, inUse := "", ""
		if c.TwoSpeedup > 0 {
			two, inUse = short(c.TwoSpeedup)+" ×", short(c.TwoInUse)+" ×"
		}
		rows = append(rows, []string{
			c.Name, short(c.Median / 1000), short(c.Low/1000) + " to " + short(c.High/1000),
			fmt.Sprintf("%.0f", c.Allocs), fmt.Sprintf("%.0f", c.Bytes), inUse, two,
		})
	}
	return report.Table([]string{"case", ":µs", ":quartiles", ":allocations", ":bytes", ":two goroutines, cache full", ":cache empty"}, rows)
}

func (o *outcome) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s (%s). Each case ran for %d rounds of %s. The JWT has %d bytes. ", o.Date, o.Machine, o.Rounds, o.Slice, o.JWTBytes)
	fmt.Fprintf(&b, "With two goroutines, each case ran for %d rounds of %v. The heap had %.1f MB with an empty cache and %.1f MB with a full cache.\n\n", o.RoundsOfTwo, longer**slice, o.Heap/(1<<20), o.HeapInUse/(1<<20))
	var versions [][]string
	for _, m := range modules() {
		versions = append(versions, []string{m, o.Versions[m]})
	}
	sections := []string{
		"### Targets", verdictTable(o.Targets), fmt.Sprintf("%d of %d pass.", o.passed(), len(o.Targets)),
		"### Time and allocations for one request", o.caseTable(),
		"### Calls to the provider", callsTable(o.Calls),
		"### Memory of a cached session", o.memoryTable(),
		"### Versions", report.Table([]string{"module", "version"}, versions), "Build tags: " + cmp.Or(o.Tags, "none") + ".",
	}
	b.WriteString(strings.Join(sections, "\n\n"))
	return b.String()
}

func (o *outcome) passed() int {
	n := 0
	for _, v := range o.Targets {
		if v.Pass {
			n++
		}
	}
	return n
}

func (o *outcome) memoryTable() string {
	var rows [][]string
	for _, m := range o.Memory {
		rows = append(rows, []string{m.Path, fmt.Sprint(m.Sessions), short(m.Total), short(m.Data), short(m.overhead())})
	}
	return report.Table([]string{"by", ":sessions", ":bytes each", ":session and user", ":overhead"}, rows)
}

func (o *outcome) write(fs figures) error {
	text := o.markdown()
	fmt.Println(text)
	if *results != "" {
		b, err := json.MarshalIndent(o, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(*results, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if *docs == "" {
		return nil
	}
	if err := fs.plots(*docs); err != nil {
		return err
	}
	return report.SpliceFile(filepath.Join(*docs, "performance.md"), "bench", text)
}
