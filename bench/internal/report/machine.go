package report

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// A Machine describes a machine that figures were measured on.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	OS    string `json:"os"`
	Go    string `json:"go"`
}

// ThisMachine describes the machine that this process runs on. If the name of the
// processor is unknown, CPU is its architecture.
func ThisMachine() Machine {
	m := Machine{CPU: runtime.GOARCH, Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	f, err := os.Open("/proc/cpuinfo") // exists only on Linux
	if err != nil {
		return m
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			return m
		}
	}
	return m
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s", m.CPU, m.Cores, m.OS, m.Go)
}

// Versions returns the versions of the named modules in this binary.
func Versions(modules ...string) map[string]string {
	versions := map[string]string{}
	built, ok := debug.ReadBuildInfo()
	if !ok {
		return versions
	}
	for _, dep := range built.Deps {
		for _, module := range modules {
			if dep.Path == module {
				versions[module] = dep.Version
			}
		}
	}
	return versions
}

// BuildTags returns the build tags of this binary.
func BuildTags() string {
	built, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, setting := range built.Settings {
		if setting.Key == "-tags" {
			return setting.Value
		}
	}
	return ""
}
