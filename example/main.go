// Command example serves a small site that sessionauth protects: notes of the
// signed-in user, as pages for browsers and as an API.
//
// Without configuration it uses an in-memory Stytch with two demo users, and prints
// how to sign in and curl commands to try. If STYTCH_PROJECT_ID and STYTCH_SECRET
// are set, it uses that Stytch project, at STYTCH_BASE_URL if that is set.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/sessionauth/sessionauth/example/site"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C ends the program immediately
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "example:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done. It returns nil after -h and after a clean shutdown.
func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	addr, options, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer ln.Close() // closing it twice is harmless
	logger := slog.New(slog.NewTextHandler(stdout, nil))
	options.Loopback, options.Logger = isLoopback(ln.Addr()), logger
	s, err := site.New(ctx, options, getenv)
	if err != nil {
		return err
	}
	stytchURL := ""
	if s.Stytch != nil {
		stytchLn, err := net.Listen("tcp", "127.0.0.1:0") // only on loopback, because the guide prints its secret
		if err != nil {
			return err
		}
		stytchURL = baseURL(stytchLn.Addr())
		var stopped sync.WaitGroup
		defer stopped.Wait()
		stytchCtx, stop := context.WithCancel(ctx)
		defer stop()
		stopped.Go(func() { _ = serve(stytchCtx, stytchLn, s.Stytch, logger) })
	}
	if _, err := io.WriteString(stdout, s.Guide(baseURL(ln.Addr()), stytchURL)); err != nil {
		return err
	}
	return serve(ctx, ln, s, logger)
}

// parse reads the flags.
func parse(args []string, stdout io.Writer) (addr string, o site.Options, err error) {
	f := flag.NewFlagSet("example", flag.ContinueOnError)
	f.SetOutput(stdout)
	f.StringVar(&addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 selects a free port")
	f.DurationVar(&o.CacheTTL, "cache-ttl", time.Minute, "`duration` for which a response of Stytch is reused")
	f.DurationVar(&o.MaxTokenAge, "max-token-age", 0, "`age` at which a session JWT is checked with Stytch (default: when it expires)")
	f.DurationVar(&o.Fresh, "fresh", 5*time.Minute, "maximum `duration` since the password was entered, for deleting all notes")
	f.DurationVar(&o.JWTLifetime, "jwt-lifetime", 0, "`duration` for which session JWTs of the in-memory Stytch are valid (default 5m0s)")
	f.Usage = func() {
		fmt.Fprint(stdout, "Usage: example [flags]\n\n"+
			"A site and an API protected by sessionauth. It uses an in-memory Stytch, or, if\n"+
			"STYTCH_PROJECT_ID and STYTCH_SECRET are set, that Stytch project, at\n"+
			"STYTCH_BASE_URL if that is set.\n\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return "", o, err
	}
	switch {
	case f.NArg() > 0:
		return "", o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.Fresh < time.Second:
		return "", o, errors.New("-fresh must be a second or more")
	case o.JWTLifetime != 0 && o.JWTLifetime < time.Second:
		return "", o, errors.New("-jwt-lifetime must be a second or more")
	}
	return addr, o, nil
}
