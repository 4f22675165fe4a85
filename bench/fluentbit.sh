#!/usr/bin/env bash
# The plugin beside Fluent Bit's own outputs, in one run: tail of generated records (json parser) to null, file, nats, and to
# trailcast with filter, enrichment and JetStream, and with a file besides. Prints medians of wall time, CPU time and peak
# memory of the Fluent Bit process, and how many records arrived.
#
#   FLUENT_BIT=/path/to/fluent-bit NATS_SERVER=/path/to/nats-server bench/fluentbit.sh [records…]   default: 50000 200000
#
# RUNS is the number of rounds (default 5); each round runs every output once.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${FLUENT_BIT:=fluent-bit}" "${NATS_SERVER:=nats-server}" "${RUNS:=5}"
command -v "$FLUENT_BIT" >/dev/null || { echo "no Fluent Bit: set FLUENT_BIT" >&2; exit 2; }
command -v "$NATS_SERVER" >/dev/null || { echo "no NATS server: set NATS_SERVER" >&2; exit 2; }
dir=$(mktemp -d)
trap 'kill $nats 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT

make -s plugin
go build -o "$dir/gen" ./bench/gen
"$NATS_SERVER" -a 127.0.0.1 -p 14222 -js -sd "$dir/js" -l "$dir/nats.log" & nats=$!
printf '[PARSER]\n    Name json\n    Format json\n' >"$dir/parsers.conf"

config() { # output section
	cat <<-END
		[SERVICE]
		    Flush        0.2
		    Grace        30
		    Log_Level    warn
		    Parsers_File $dir/parsers.conf
		[INPUT]
		    Name             tail
		    Path             $dir/in.ndjson
		    Parser           json
		    Read_From_Head   on
		    Exit_On_Eof      on
		    Buffer_Max_Size  4M
		    Buffer_Chunk_Size 512K
		    Tag              cloudtrail
		[OUTPUT]
		    Match *
		    Retry_Limit no_limits
		$1
	END
}
trailcast="    Name trailcast
    Workers 1
    Enrich on
    Filter select(.eventType != \"AwsVpceEvent\")
    Quarantine_Path $dir/quarantine
    Nats_Url nats://127.0.0.1:14222
    Nats_Subject audit.{account}.{region}.{service}.{action}
    Nats_Create on"
config "    Name null" >"$dir/null.conf"
config "    Name file
    Path $dir/own
    File own.out" >"$dir/file.conf"
config "    Name nats
    Host 127.0.0.1
    Port 14222" | sed 's/Retry_Limit no_limits/Retry_Limit 1/' >"$dir/nats.conf"

arrived() { # output
	case $1 in
	file) wc -l <"$dir/own/own.out" ;;
	trailcast-jetstream) confirmed ;;
	trailcast-jetstream-file) echo "$(confirmed)+$(cat "$dir"/out/*.ndjson | wc -l)" ;;
	*) echo - ;;
	esac
}
confirmed() { sed -n 's/.*nats.delivered=\([0-9]*\).*/\1/p' "$dir/log" | tail -1; }

outputs="null file nats trailcast-jetstream trailcast-jetstream-file"
for records in "${@:-50000 200000}"; do for n in $records; do
	rm -rf "$dir/gen.out" "$dir/times" && mkdir -p "$dir/own" "$dir/gen.out" "$dir/times"
	"$dir/gen" -n "$n" -seed 1 -format ndjson -files "$n" -o "$dir/gen.out" >/dev/null 2>&1
	cat "$dir"/gen.out/* >"$dir/in.ndjson"
	for round in $(seq "$RUNS"); do for out in $outputs; do
		rm -rf "$dir/own/own.out" "$dir/out"
		stream="B$n-$round-$out"
		case $out in trailcast-jetstream) extra="" ;; *) extra="
    File_Path $dir/out/{account}.ndjson" ;; esac
		case $out in trailcast*) config "${trailcast//audit./${stream//-/_}.}
    Nats_Stream ${stream}$extra" | sed 's/Log_Level    warn/Log_Level info/' >"$dir/$out.conf" ;; esac
		/usr/bin/time -f '%e %U %S %M' -o "$dir/time" "$FLUENT_BIT" -q -e ./out_trailcast.so -c "$dir/$out.conf" >"$dir/log" 2>&1 || true
		echo "$(tail -1 "$dir/time") $(arrived "$out")" >>"$dir/times/$out"
	done; done
	printf '\n%s records, %s rounds, medians\n%-26s %8s %8s %8s %8s %8s  %s\n' "$n" "$RUNS" output wall_s user_s sys_s cpu_s peak_MB arrived
	for out in $outputs; do
		awk -v out="$out" '{w[NR]=$1;u[NR]=$2;s[NR]=$3;c[NR]=$2+$3;m[NR]=$4;a=$5}
			function med(x,n,  i,j,t){for(i=1;i<=n;i++)for(j=i+1;j<=n;j++)if(x[j]<x[i]){t=x[i];x[i]=x[j];x[j]=t}return x[int((n+1)/2)]}
			END{printf "%-26s %8.2f %8.2f %8.2f %8.2f %8.0f  %s\n",out,med(w,NR),med(u,NR),med(s,NR),med(c,NR),med(m,NR)/1024,a}' "$dir/times/$out"
	done
done; done
