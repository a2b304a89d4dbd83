// Command stytchtest serves an in-memory Stytch on a loopback port. It adds one
// demo user and prints how to reach the server from curl and from each Stytch
// SDK. All state is lost when it stops.
//
// It is unofficial and independent of Stytch.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sessionauth/sessionauth/stytch"
	"github.com/sessionauth/sessionauth/stytchtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stytchtest:", err)
		stop()
		os.Exit(1)
	}
}

// options holds the values of the flags.
type options struct {
	addr, email, password string
	jwtLifetime           time.Duration
}

// run serves until ctx ends. It returns nil after -h and after a clean
// shutdown.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	srv := stytchtest.NewServer()
	srv.JWTLifetime = o.jwtLifetime
	srv.AddUser(stytchtest.User{
		Email: o.email, Password: o.password,
		Name: stytch.Name{FirstName: "Demo", LastName: "User"},
	})
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		return err
	}
	srv.URL = "http://" + ln.Addr().String()
	if err := printGuide(stdout, srv, o); err != nil {
		_ = ln.Close() // report the first error
		return err
	}
	return serve(ctx, ln, srv)
}

func parse(args []string, stdout io.Writer) (o options, err error) {
	f := flag.NewFlagSet("stytchtest", flag.ContinueOnError)
	f.SetOutput(stdout)
	f.StringVar(&o.addr, "addr", "127.0.0.1:8123", "loopback `address` to listen on; port 0 takes a free one")
	f.StringVar(&o.email, "email", "demo@example.com", "e-mail `address` of the demo user")
	f.StringVar(&o.password, "password", "correct horse battery staple", "`password` of the demo user")
	f.DurationVar(&o.jwtLifetime, "jwt-lifetime", 5*time.Minute, "`time` from a session JWT's iat to its exp, in whole seconds")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.email == "" || o.password == "":
		return o, errors.New("-email and -password must not be empty")
	case o.jwtLifetime < time.Second:
		return o, errors.New("-jwt-lifetime must be a second or more")
	}
	return o, checkLoopback(o.addr)
}

// checkLoopback returns an error for an address that other machines can reach,
// because the secret of the project is public: it is part of the source of this
// module.
func checkLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("-addr %s: not a loopback address such as 127.0.0.1:8123; "+
		"the secret of this server is public, so other machines must not reach it", addr)
}

// serve serves until ctx ends, and then waits for the calls in progress.
func serve(ctx context.Context, ln net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	// ctx is done, so the shutdown needs a deadline of its own.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(ending)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close() // a client still holds an idle connection
	}
	<-served // http.ErrServerClosed
	return err
}
