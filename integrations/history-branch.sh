#!/bin/sh
# Keeps the history on a branch of the repository that holds nothing else. Works wherever git can fetch and push.
#
#   history-branch.sh restore   the history of the branch, to FLAKEDIAG_DB; no branch yet: nothing to restore
#   history-branch.sh save      FLAKEDIAG_DB, to the branch
#
#   FLAKEDIAG_DB    the history
#   HISTORY_BRANCH  the branch (default: flakediag-history)
#   HISTORY_REMOTE  the remote (default: origin)
#
# Two jobs that save at once: the push is a compare-and-swap (--force-with-lease). Whoever comes second is refused,
# merges what the first one saved and pushes again, so that no run is lost. Each save is a commit without a parent:
# the branch never grows beyond one history. The working tree and the index are not touched.
set -eu

branch=${HISTORY_BRANCH:-flakediag-history}
remote=${HISTORY_REMOTE:-origin}
file=history.db
tries=8
GIT_AUTHOR_NAME=flakediag GIT_AUTHOR_EMAIL=flakediag@localhost
GIT_COMMITTER_NAME=flakediag GIT_COMMITTER_EMAIL=flakediag@localhost
export GIT_AUTHOR_NAME GIT_AUTHOR_EMAIL GIT_COMMITTER_NAME GIT_COMMITTER_EMAIL

tip() { # the commit that the branch stands at; nothing where there is no such branch
    git ls-remote "$remote" "refs/heads/$branch" | cut -f 1
}

take() { # take COMMIT FILE: the history of that commit, complete or not at all
    git fetch --quiet --no-tags --depth=1 "$remote" "$1" 2>/dev/null ||
        git fetch --quiet --no-tags --depth=1 "$remote" "refs/heads/$branch"
    mkdir -p "$(dirname "$2")"
    git cat-file blob "FETCH_HEAD:$file" >"$2.part"
    mv "$2.part" "$2"
}

case ${1:-} in
restore)
    seen=$(tip)
    if [ -z "$seen" ]; then
        echo "the branch $branch does not exist yet: a new history begins" >&2
    else
        take "$seen" "$FLAKEDIAG_DB"
        echo "$seen" >"$FLAKEDIAG_DB.commit"
    fi
    ;;
save)
    known=$(cat "$FLAKEDIAG_DB.commit" 2>/dev/null || true)
    while [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        seen=$(tip)
        if [ -n "$seen" ] && [ "$seen" != "$known" ]; then
            take "$seen" "$FLAKEDIAG_DB.theirs"
            flakediag merge "$FLAKEDIAG_DB.theirs"
            rm -f "$FLAKEDIAG_DB.theirs"
            known=$seen
        fi
        blob=$(git hash-object -w -- "$FLAKEDIAG_DB")
        tree=$(printf '100644 blob %s\t%s\n' "$blob" "$file" | git mktree)
        commit=$(git commit-tree "$tree" -m "The history of the tests")
        if git push --quiet --force-with-lease="refs/heads/$branch:$seen" "$remote" "$commit:refs/heads/$branch"; then
            exit 0
        fi
        [ "$(tip)" != "$seen" ] || break # not a race: no right to push, or the remote is away
        sleep 1
    done
    echo "the history could not be saved to the branch $branch" >&2
    exit 1
    ;;
*)
    echo "usage: history-branch.sh restore|save" >&2
    exit 2
    ;;
esac
