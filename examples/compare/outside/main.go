// The programs in Go: `programs NAME N TIMES` prints nanoseconds (or KiB) for one.
package main

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	name := os.Args[1]
	n, _ := strconv.Atoi(os.Args[2])
	times, _ := strconv.Atoi(os.Args[3])
	if name != "skynet_all_cores" {
		runtime.GOMAXPROCS(1)
	}
	programs := map[string]func(n, times int) float64{
		"yields":           yields,
		"spawn_join":       spawnJoin,
		"skynet":           skynet,
		"skynet_all_cores": skynet,
		"ping_pong":        pingPong,
		"sleepers":         sleepers,
		"parked":           parked,
	}
	fmt.Println(programs[name](n, times))
}

func per(begin time.Time, times int) float64 {
	return float64(time.Since(begin).Nanoseconds()) / float64(times)
}

func yields(n, times int) float64 {
	var started, ended sync.WaitGroup
	started.Add(n)
	ended.Add(n)
	gate := make(chan struct{})
	for i := 0; i < n; i++ {
		go func() {
			started.Done()
			<-gate
			for j := 0; j < times; j++ {
				runtime.Gosched()
			}
			ended.Done()
		}()
	}
	started.Wait()
	begin := time.Now()
	close(gate)
	ended.Wait()
	return per(begin, n*times)
}

func spawnJoin(n, times int) float64 {
	begin := time.Now()
	for i := 0; i < times; i++ {
		var ended sync.WaitGroup
		ended.Add(n)
		for j := 0; j < n; j++ {
			go ended.Done()
		}
		ended.Wait()
	}
	return per(begin, n*times)
}

func tree(answer chan<- int, first, leaves int) {
	if leaves == 1 {
		answer <- first
		return
	}
	answers := make(chan int)
	each := leaves / 10
	for i := 0; i < 10; i++ {
		go tree(answers, first+i*each, each)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-answers
	}
	answer <- sum
}

// With memory that an earlier tree has used already.
func skynet(n, times int) float64 {
	answer := make(chan int)
	var begin time.Time
	for i := 0; i < 2; i++ {
		begin = time.Now()
		go tree(answer, 0, n)
		if <-answer != n*(n-1)/2 {
			panic("a wrong sum")
		}
	}
	return per(begin, n)
}

func pingPong(n, times int) float64 {
	toPong, toPing := make(chan int, 1), make(chan int, 1)
	go func() {
		for i := range toPong {
			toPing <- i + 1
		}
	}()
	begin := time.Now()
	for i := 0; i < times; i++ {
		toPong <- i
		if <-toPing != i+1 {
			panic("a wrong answer")
		}
	}
	return per(begin, times)
}

func cpu() int64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func sleepers(n, times int) float64 {
	begin := cpu()
	var ended sync.WaitGroup
	ended.Add(n)
	for i := 0; i < n; i++ {
		span := time.Duration(rand.Int63n(int64(time.Second)))
		go func() {
			time.Sleep(span)
			ended.Done()
		}()
	}
	ended.Wait()
	return float64(cpu()-begin) / float64(n)
}

func heldKiB() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	sum := 0.0
	for _, line := range strings.Split(string(status), "\n") {
		fields := strings.Fields(line)
		if len(fields) > 1 && (fields[0] == "VmRSS:" || fields[0] == "VmPTE:") {
			kib, _ := strconv.ParseFloat(fields[1], 64)
			sum += kib
		}
	}
	return sum
}

func parked(n, times int) float64 {
	var started, ended sync.WaitGroup
	started.Add(n)
	ended.Add(n)
	gate := make(chan struct{})
	before := heldKiB()
	for i := 0; i < n; i++ {
		go func() {
			started.Done()
			<-gate
			ended.Done()
		}()
	}
	started.Wait()
	answer := (heldKiB() - before) / float64(n)
	close(gate)
	ended.Wait()
	return answer
}
