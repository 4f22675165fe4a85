// Command prepare makes the Python environment of the tests with the AWS emulator. When it can not be had, these tests
// are not run: said here, since skipped tests say nothing; in CI it is an error.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/trailcast/trailcast/internal/awstest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if _, err := awstest.Prepare(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "\n*** NOT RUN: the tests of S3, SQS, SNS, Kinesis, CloudWatch Logs and STS.\n"+
			"*** They need python3 with venv and pip, and the packages of internal/awstest/requirements.txt:\n%v\n\n", err)
		if os.Getenv("CI") != "" {
			os.Exit(1)
		}
	}
}
