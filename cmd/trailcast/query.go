package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/trailcast/trailcast/internal/query"
)

func queryCommand(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "query [FLAGS] PROGRAM [FILE…]",
		Short: "jq over CloudTrail and session logs",
		Long: `Query runs a jq program on every record in the files, or in standard input. Files may be plain, gzip or
zstd, and hold records in any envelope of AWS; a directory stands for all files below it. Output and
flags are jq's. A record that passes untouched keeps the order of its keys and the digits of its
numbers. Functions beside jq's own: account, actor, service, arn, cidr_contains(net; ip).

Pieces of input that are no records are reported on standard error, and the query goes on.

Flags:
` + query.Usage + `
Exit codes: 0; with -e 1 (false or null) or 4 (no result); 2 wrong flags; 3 the program does not
compile; 5 a record failed, or something could not be read.`,
		Example: `  # Calls that were refused, and who made them
  trailcast query -r 'select(.errorCode == "AccessDenied") | [.eventTime, actor, .eventName] | @tsv' logs/

  # Sessions on machines
  trailcast query -c 'select(.eventName == "StartSession") | {time: .eventTime, who: actor, on: .requestParameters.target}' logs/*.gz

  # Calls per service
  trailcast query -s 'group_by(.eventSource) | map({(.[0].eventSource): length}) | add' logs/

  # From outside of the office
  trailcast query 'select(cidr_contains("192.0.2.0/24"; .sourceIPAddress) | not)' logs/`,
		DisableFlagParsing: true, // jq's flags take two words (--arg), which flag packages do not know
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := query.Parse(args)
			if err != nil {
				return &exitError{query.ExitUsage, fmt.Errorf("%w (trailcast query --help)", err)}
			}
			if o.Help {
				return cmd.Help()
			}
			if code := query.Run(cmd.Context(), o, s.in, s.out, s.err); code != query.ExitOK {
				return &exitError{code: code}
			}
			return nil
		},
	}
	return cmd
}
