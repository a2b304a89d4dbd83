// Package proxy starts proxies with the configurations that docs/operations.md
// shows.
package proxy

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A Proxy is a program from a package of Debian.
type Proxy struct {
	Program string
	Package string

	info string // info string of its code block in the documentation

	// configure turns the documented block into a complete configuration in s.dir. It returns the
	// arguments and the environment of the program.
	configure func(t *testing.T, s site, documented block) (args, env []string)
}

// The proxies that the documentation describes.
var (
	Nginx   = Proxy{"nginx", "nginx-light", "nginx", nginx}
	HAProxy = Proxy{"haproxy", "haproxy", "haproxy", haproxy}
	Caddy   = Proxy{"caddy", "caddy", "caddyfile", caddy}
	Apache  = Proxy{"apache2", "apache2", "apache", apache}
)

// A site is the data that a configuration is filled with.
type site struct {
	dir         string // an empty directory that every user may read
	port        int    // port of the proxy
	certificate string // file with the certificate, followed by the key
	service     string // address of the service
	stripped    string // address of the service that the proxy publishes below /shop
}

// A block is the text of a configuration.
type block string

// readBlock returns the code block of the documentation with this info string.
func readBlock(t *testing.T, info string) block {
	t.Helper()
	page := documentation(t)
	found := regexp.MustCompile("(?ms)^```"+info+"\n(.*?)^```$").FindAllSubmatch(page, -1)
	if len(found) != 1 {
		t.Fatalf("docs/operations.md has %d blocks of %s, want one", len(found), info)
	}
	return block(found[0][1])
}

// documentation returns docs/operations.md. It looks for the file in the parents of the directory
// of the test.
func documentation(t *testing.T) []byte {
	t.Helper()
	for _, above := range []string{"..", "../.."} {
		if page, err := os.ReadFile(filepath.Join(above, "docs", "operations.md")); err == nil {
			return page
		}
	}
	t.Fatal("docs/operations.md was not found")
	return nil
}

// with replaces old by new. It fails the test if the block does not contain old.
func (b block) with(t *testing.T, old, new string) block {
	t.Helper()
	if !strings.Contains(string(b), old) {
		t.Fatalf("docs/operations.md has no %q in:\n%s", old, b)
	}
	return block(strings.ReplaceAll(string(b), old, new))
}

// in replaces the addresses and file names in the block by those of s.
func (b block) in(t *testing.T, s site) block {
	t.Helper()
	b = b.with(t, "127.0.0.1:8081", s.service).with(t, "/etc/ssl/app.example.com.pem", s.certificate)
	return block(strings.ReplaceAll(string(b), "/etc/ssl/app.example.com.key", s.certificate))
}

// write writes a file in s.dir.
func (s site) write(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func nginx(t *testing.T, s site, b block) (args, env []string) {
	b = b.in(t, s).with(t, "listen 443", fmt.Sprint("listen 127.0.0.1:", s.port))
	b = b.with(t, "    location / {", "    location /shop/ { proxy_pass http://"+s.stripped+"/; }\n    location / {")
	user := ""
	if os.Getuid() == 0 {
		user = "user www-data;\n"
	}
	temporary := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += "    " + name + "_temp_path " + filepath.Join(s.dir, name) + ";\n"
	}
	path := s.write(t, "nginx.conf", user+"daemon off;\npid "+filepath.Join(s.dir, "pid")+";\nerror_log stderr;\nevents {}\n"+
		"http {\n    access_log off;\n"+temporary+string(b)+"}\n")
	return []string{"-e", "stderr", "-p", s.dir, "-c", path}, nil
}

func haproxy(t *testing.T, s site, b block) (args, env []string) {
	b = b.in(t, s).with(t, "bind :443", fmt.Sprint("bind 127.0.0.1:", s.port))
	b = b.with(t, "    default_backend service\n", "    default_backend service\n    use_backend stripped if { path_beg /shop/ }\n")
	b += block("\nbackend stripped\n    http-request replace-path /shop(/.*) \\1\n    server one " + s.stripped + "\n")
	return []string{"-db", "-f", s.write(t, "haproxy.cfg", string(b))}, nil
}

func caddy(t *testing.T, s site, b block) (args, env []string) {
	b = b.in(t, s).with(t, "    reverse_proxy", "    handle_path /shop/* {\n        reverse_proxy "+s.stripped+"\n    }\n    reverse_proxy")
	options := fmt.Sprintf("{\n    admin off\n    auto_https disable_redirects\n    https_port %d\n    default_bind 127.0.0.1\n    servers {\n        protocols h1 h2\n    }\n}\n", s.port)
	return []string{"run", "--adapter", "caddyfile", "--config", s.write(t, "Caddyfile", options+string(b))},
		[]string{"HOME=" + s.dir, "XDG_DATA_HOME=" + s.dir, "XDG_CONFIG_HOME=" + s.dir}
}

func apache(t *testing.T, s site, b block) (args, env []string) {
	b = b.in(t, s).with(t, "*:443", fmt.Sprint("*:", s.port))
	b = b.with(t, "    ProxyPass / ", "    ProxyPass /shop/ http://"+s.stripped+"/ nocanon\n    ProxyPass / ")
	var head strings.Builder
	for _, name := range []string{"mpm_event", "authz_core", "ssl", "http2", "proxy", "proxy_http"} {
		fmt.Fprintf(&head, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", name, name)
	}
	fmt.Fprintf(&head, "ServerRoot %s\nDefaultRuntimeDir %s\nPidFile pid\nErrorLog /dev/stderr\nListen 127.0.0.1:%d\nServerName localhost\n", s.dir, s.dir, s.port)
	if os.Getuid() == 0 {
		head.WriteString("User www-data\nGroup www-data\n")
	}
	return []string{"-DFOREGROUND", "-d", s.dir, "-f", s.write(t, "apache2.conf", head.String()+string(b))}, nil
}

// freePort returns a port of 127.0.0.1 that nobody listens on.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
