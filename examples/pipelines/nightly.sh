#!/usr/bin/env bash
# Looks at one stack, and changes nothing: what the next `pulumi up` would change (drift), what doctor
# says, and new tables that are not published.
#
#   nightly.sh STACK FINDING     for example: nightly.sh prod finding-prod.md
#
# FINDING is written where there is something, in Markdown, in less than what an issue may have.
# Exit status: 0 nothing is found, 1 something is.
set -euo pipefail

stack=$1
finding=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What a command said, as a block that nothing in it can end. Its end counts most.
block() {
  tail -n 200 "$1" | tail -c 20000 | iconv -c -f utf-8 -t utf-8 | sed 's/^/    /'
}

# Resources that are looked at, or left as they are, are no news.
news() {
  sed -E '/ refresh(ing)? *$/d; /^ {4}[^ ]+:[^ ]+ [^ ]+ ( |running )/d; /^@ /d' "$1"
}

preview=0
pulumi preview --stack "$stack" --refresh --expect-no-changes --non-interactive --color never \
  --suppress-outputs >"$work/preview" 2>&1 || preview=$?
cat "$work/preview"

doctor=0
azure-postgres-cdc doctor --stack "$stack" --fail-on new-tables --markdown "$work/doctor.md" \
  >"$work/doctor" 2>&1 || doctor=$?
cat "$work/doctor"

if [ "$preview" = 0 ] && [ "$doctor" = 0 ]; then
  exit 0
fi
{
  if [ "$preview" != 0 ]; then
    echo "### ❌ \`pulumi preview --refresh --expect-no-changes\`, stack $stack"
    echo
    news "$work/preview" >"$work/news"
    block "$work/news"
    echo
  fi
  if [ -f "$work/doctor.md" ]; then
    cat "$work/doctor.md"
  else
    echo "### ❌ doctor could not look at stack $stack"
    echo
    block "$work/doctor"
  fi
} >"$finding"
exit 1
