#!/bin/sh
# The steps of the GitHub Action, one verb each; plain sh, so that other CI systems and the tests run them too.
#
#   steps.sh key      name the cache entry that this job will save
#   steps.sh merge    take further histories in
#   steps.sh ingest   read the reports into the history
#   steps.sh check    judge each failure by the runs before this one
#   steps.sh report   write the summary and the page
#   steps.sh gate     compare the flaky rate with the limit
#   steps.sh verdict  fail the job if what was found asks for it
#
# `check` and `gate` do not fail for what they find: they leave their exit codes in GITHUB_OUTPUT, so that the history is
# saved before `verdict` ends the job. All values come as environment variables, never as text pasted into a script.
#
#   FLAKEDIAG_DB         the history
#   REPORTS, HISTORIES   paths, folders or globs, one to a line
#   MAX_FLAKY_RATE, PAGE the gate's limit, or `configured`; where to write the HTML page
#   TESTS                how the step that ran the tests ended
#   INGEST, CHECK, FAILURES, GATE  for `verdict`: what the steps before it left in GITHUB_OUTPUT
set -eu

output=${GITHUB_OUTPUT:-/dev/null}
summary=${GITHUB_STEP_SUMMARY:-/dev/null}

on_paths() { # on_paths LINES COMMAND… runs the command with each line as a further argument
    paths=$1
    shift
    while IFS= read -r path; do
        [ -z "$path" ] || set -- "$@" "$path"
    done <<END
$paths
END
    "$@"
}

allowing() { # allowing CODES COMMAND… runs the command, keeps its exit code in $code, and fails for others than CODES
    allowed=$1
    shift
    code=0
    "$@" || code=$?
    case " $allowed " in
    *" $code "*) ;;
    *) exit "$code" ;;
    esac
}

problem() { # problem LEVEL TEXT tells people, as an annotation where the CI system has such
    if [ "${GITHUB_ACTIONS:-}" = true ]; then
        echo "::$1 title=flakediag::$2"
    else
        echo "$1: $2" >&2
    fi
}

case ${1:-} in
key)
    # An entry of the cache can never be changed, and a second one of the same name is dropped: each save needs a name
    # of its own. Jobs of one matrix share all of GitHub's numbers, hence the random part.
    random=$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
    echo "key=$KEY-${GITHUB_RUN_ID:-0}-${GITHUB_RUN_ATTEMPT:-1}-$random" >>"$output"
    ;;
merge)
    on_paths "$HISTORIES" flakediag merge
    ;;
ingest)
    if [ -z "$(printf %s "$REPORTS" | tr -d '[:space:]')" ]; then
        echo "no reports were named (input 'reports')" >&2
        exit 2
    fi
    allowing "0 5" on_paths "$REPORTS" flakediag ingest
    echo "code=$code" >>"$output"
    ;;
check)
    format=text
    [ "${GITHUB_ACTIONS:-}" != true ] || format=github # annotations beside the code
    allowing "0 1 4 5" on_paths "$REPORTS" flakediag check --format "$format"
    echo "code=$code" >>"$output"
    on_paths "$REPORTS" flakediag check --format markdown >>"$summary" || true
    # Inside the texts of the document a quotation mark is escaped, so that this can only be the key of a failure.
    if [ "${TESTS:-}" = failure ] && ! on_paths "$REPORTS" flakediag check --format json | grep -q '"signature":'; then
        echo "failures=none" >>"$output"
    fi
    ;;
report)
    flakediag report
    flakediag report --format markdown >>"$summary"
    if [ -n "${PAGE:-}" ]; then
        flakediag report --format html -o "$PAGE"
    fi
    ;;
gate)
    set --
    [ "$MAX_FLAKY_RATE" = configured ] || set -- --max-flaky-rate "$MAX_FLAKY_RATE"
    allowing "0 1 4" flakediag gate "$@"
    echo "code=$code" >>"$output"
    ;;
verdict)
    bad=0
    case ${CHECK:-} in
    1)
        bad=1
        problem error "a failure is no known flake: see the summary"
        ;;
    4)
        bad=1
        problem error "no test was executed, so that there is nothing to judge"
        ;;
    5)
        bad=1
        problem error "some reports could not be read: a failure may be missing"
        ;;
    0)
        if [ "${TESTS:-}" = failure ] && [ "${FAILURES:-}" = none ]; then
            bad=1
            problem error "the tests ended badly, but no report says why: the runner itself may have failed"
        fi
        ;;
    esac
    [ "${INGEST:-0}" != 5 ] || problem warning "some reports could not be read, wholly or in part"
    case ${GATE:-} in
    1)
        bad=1
        problem error "the suite is flakier than the limit allows"
        ;;
    4) problem notice "too few runs for the gate to decide: it passes until there are more" ;;
    esac
    exit "$bad"
    ;;
*)
    echo "usage: steps.sh key|merge|ingest|check|report|gate|verdict" >&2
    exit 2
    ;;
esac
