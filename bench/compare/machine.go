package main

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/trailcast/trailcast/bench/compare/figures"
)

func thisMachine() figures.Machine {
	cpu := procField("/proc/cpuinfo", "model name")
	if cpu == "" {
		cpu = runtime.GOARCH
	}
	return figures.Machine{CPU: generalName(cpu), Cores: len(allowedCPUs()), Go: strings.Replace(runtime.Version(), "go", "Go ", 1)}
}

// generalName is a processor's name without trade marks and clock: "Intel Xeon Platinum 8259CL".
func generalName(cpu string) string {
	cpu, _, _ = strings.Cut(cpu, "@")
	cpu = strings.NewReplacer("(R)", "", "(TM)", "", "(r)", "", "(tm)", "", "CPU", "").Replace(cpu)
	return strings.Join(strings.Fields(cpu), " ")
}

// allowedCPUs are the cores that this process may use.
func allowedCPUs() []int {
	if cpus := parseCPUs(procField("/proc/self/status", "Cpus_allowed_list")); len(cpus) > 0 {
		return cpus
	}
	cpus := make([]int, runtime.NumCPU())
	for i := range cpus {
		cpus[i] = i
	}
	return cpus
}

// parseCPUs reads a list such as 0-3,8; nil if it is none.
func parseCPUs(list string) (cpus []int) {
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err != nil || err2 != nil {
			return nil
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// procField is the value of the first line "name: value" in a file of the kernel; "" if there is none.
func procField(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
