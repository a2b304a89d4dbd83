package proxy

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/e2e/internal/service"
)

// patience is the time limit of one step, also on a slow machine.
const patience = 20 * time.Second

// find returns the path of the program. It skips the test if the program is not installed.
func (p Proxy) find(t *testing.T) string {
	t.Helper()
	for _, name := range []string{p.Program, filepath.Join("/usr/sbin", p.Program)} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: on Debian, run apt-get install --no-install-recommends %s", p.Program, p.Package)
	return ""
}

// newCertificate writes a file with a certificate for the host of the service and its key. It
// returns a pool that trusts the certificate.
func newCertificate(t *testing.T, path string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: service.Host},
		DNSNames:     []string{service.Host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(path, text, 0o644); err != nil { // readable by others, because a proxy may run as another user
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(certificate)
	return pool
}

// A Running is a proxy that runs.
type Running struct {
	Address string
	Pool    *x509.CertPool // trusts the certificate of the proxy, which is for service.Host
}

// Start starts the proxy in front of a service, and of a second service that it publishes below
// /shop. It skips the test if the proxy is not installed. Each line in without is removed from the
// documented configuration.
func (p Proxy) Start(t *testing.T, s, below *service.Service, without ...string) Running {
	t.Helper()
	program := p.find(t)
	at := site{dir: t.TempDir(), port: freePort(t), service: host(s), stripped: host(below)}
	at.certificate = filepath.Join(at.dir, "certificate.pem")
	pool := newCertificate(t, at.certificate)
	b := readBlock(t, p.info)
	for _, line := range without {
		b = b.with(t, line, "")
	}
	args, env := p.configure(t, at, b)

	cmd := exec.Command(program, args...)
	var printed output
	cmd.Stdout, cmd.Stderr, cmd.Env = &printed, &printed, append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		stop(t, cmd, exited)
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.Program, printed.String())
		}
	})
	running := Running{"127.0.0.1:" + strconv.Itoa(at.port), pool}
	running.wait(t, exited)
	return running
}

func host(s *service.Service) string { return strings.TrimPrefix(s.URL, "http://") }

func stop(t *testing.T, cmd *exec.Cmd, exited <-chan struct{}) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-exited:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Errorf("%s did not stop in %v", cmd.Path, patience)
	}
}

// wait waits until the proxy accepts connections.
func (r Running) wait(t *testing.T, exited <-chan struct{}) {
	t.Helper()
	deadline := time.After(patience)
	for {
		conn, err := tls.Dial("tcp", r.Address, &tls.Config{RootCAs: r.Pool, ServerName: service.Host})
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-exited:
			t.Fatal("the proxy ended")
		case <-deadline:
			t.Fatalf("no TLS connection in %v: %v", patience, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// An output collects what a program prints. It is safe for concurrent use.
type output struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.String()
}
