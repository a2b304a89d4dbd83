// Command example is a small site that sessionauth protects, with notes that
// belong to whoever is signed in: pages for browsers, and the same as an API.
//
// Without configuration it runs on an in-memory Stytch with two demo users, and
// prints how to sign in and curl lines to try. With STYTCH_PROJECT_ID and STYTCH_SECRET in the
// environment, and STYTCH_BASE_URL if need be, it talks to Stytch.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait for anybody
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

// options are what the flags say.
type options struct {
	addr        string
	cacheTTL    time.Duration
	maxTokenAge time.Duration
	fresh       time.Duration
	jwtLifetime time.Duration // of the in-memory Stytch; zero if not given
}

// run serves until ctx ends. It returns nil after -h and after a clean
// shutdown.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	defer ln.Close() // for what fails before it is served; closing twice does no harm
	logger := slog.New(slog.NewTextHandler(stdout, nil))
	a, err := newApp(ctx, o, isLoopback(ln.Addr()), getenv, logger)
	if err != nil {
		return err
	}
	stytchURL := ""
	if a.stytch != nil {
		stytchLn, err := net.Listen("tcp", "127.0.0.1:0") // everybody knows its secret
		if err != nil {
			return err
		}
		stytchURL = baseURL(stytchLn.Addr())
		var stopped sync.WaitGroup
		defer stopped.Wait()
		stytchCtx, stop := context.WithCancel(ctx)
		defer stop()
		stopped.Go(func() { _ = serve(stytchCtx, stytchLn, a.stytch, logger) })
	}
	if _, err := io.WriteString(stdout, a.guide(baseURL(ln.Addr()), stytchURL)); err != nil {
		return err
	}
	return serve(ctx, ln, a.handler, logger)
}

func parse(args []string, stdout io.Writer) (o options, err error) {
	f := flag.NewFlagSet("example", flag.ContinueOnError)
	f.SetOutput(stdout)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 takes a free one")
	f.DurationVar(&o.cacheTTL, "cache-ttl", time.Minute, "`time` for which an answer of Stytch is reused")
	f.DurationVar(&o.maxTokenAge, "max-token-age", 0, "`age` at which a session JWT is checked with Stytch (default: when it expires)")
	f.DurationVar(&o.fresh, "fresh", 5*time.Minute, "`time` since the password was proved, for deleting all notes")
	f.DurationVar(&o.jwtLifetime, "jwt-lifetime", 0, "`time` for which the in-memory Stytch signs a session JWT (default 5m0s)")
	f.Usage = func() {
		fmt.Fprint(stdout, "Usage: example [flags]\n\n"+
			"A site and an API protected by sessionauth, on an in-memory Stytch. With\n"+
			"STYTCH_PROJECT_ID and STYTCH_SECRET in the environment it talks to Stytch, at\n"+
			"STYTCH_BASE_URL if that is set.\n\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.fresh < time.Second:
		return o, errors.New("-fresh must be a second or more")
	case o.jwtLifetime != 0 && o.jwtLifetime < time.Second:
		return o, errors.New("-jwt-lifetime must be a second or more")
	}
	return o, nil
}

// baseURL is where a client on this machine reaches the server.
func baseURL(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if ok && tcp.IP.IsUnspecified() { // every address: the loopback one will do
		return fmt.Sprintf("http://127.0.0.1:%d", tcp.Port)
	}
	return "http://" + addr.String()
}

// isLoopback reports whether nobody else can reach an address.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// serve answers until ctx ends, then lets the requests under way finish.
func serve(ctx context.Context, ln net.Listener, h http.Handler, logger *slog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10, // both cookies need 9 KiB at most
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// ctx has ended: the shutdown needs a time of its own.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(ending)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // a browser keeps connections at hand that never sent a request
	}
	<-served // http.ErrServerClosed
	return err
}
