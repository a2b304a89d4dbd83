// Command draw generates the pictures of the architecture from the code: docs/architecture.svg for
// a light background and docs/architecture-dark.svg for a dark one. Run it in the root of the
// repository with `make picture`.
package main

import (
	"fmt"
	"os"

	"github.com/sessionauth/sessionauth/internal/archtest"
)

func main() {
	if err := archtest.Draw("."); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(1)
	}
}
