package proxies_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sessionauth/sessionauth/e2e/internal/service"
)

// patience is the time limit of one step, also on a slow machine.
const patience = 20 * time.Second

// find returns the path of the program. It skips the test if there is none.
func (p proxy) find(t *testing.T) string {
	t.Helper()
	for _, name := range []string{p.program, filepath.Join("/usr/sbin", p.program)} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed: on Debian, run apt-get install --no-install-recommends %s", p.program, p.debian)
	return ""
}

// newCertificate writes a certificate for the host of the service and its key to a
// file, and returns the pool that trusts it.
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
	if err := os.WriteFile(path, text, 0o644); err != nil { // a proxy may read it as another user
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

// start starts the proxy with the documented configuration, changed by change, in
// front of the service. It returns a client of the proxy.
func (p proxy) start(t *testing.T, service, stripped string, change func(block) block) *client {
	t.Helper()
	program := p.find(t)
	s := site{dir: t.TempDir(), port: freePort(t), service: service, stripped: stripped}
	s.certificate = filepath.Join(s.dir, "certificate.pem")
	pool := newCertificate(t, s.certificate)
	args, env := p.configure(t, s, change(readBlock(t, p.name)))

	cmd := exec.Command(program, args...)
	var printed output
	cmd.Stdout, cmd.Stderr, cmd.Env = &printed, &printed, append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Errorf("%s did not stop in %v", p.program, patience)
		}
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.program, printed.String())
		}
	})
	c := newClient(t, "127.0.0.1:"+strconv.Itoa(s.port), pool)
	c.waitFor(exited, &printed)
	return c
}

// waitFor waits until the proxy accepts connections.
func (c *client) waitFor(exited chan error, printed fmt.Stringer) {
	c.Helper()
	deadline := time.Now().Add(patience)
	for {
		conn, err := tls.Dial("tcp", c.address, c.tls("http/1.1"))
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case ended := <-exited:
			exited <- ended
			c.Fatalf("the proxy ended: %v\n%s", ended, printed)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			c.Fatalf("no TLS connection in %v: %v", patience, err)
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
