#!/usr/bin/env bash
# Rehearses every stack that a pull request changes, and gathers the comments in one file.
#
#   rehearse-changed.sh BASE COMMENT     for example: rehearse-changed.sh origin/main comment.md
#
# A stack is changed by its file, its record or its tablesFile; everything else that a stack is made
# of changes all.
# Exit status: 1 where a stack would fail or violate a policy, 2 where one could not be rehearsed.
set -euo pipefail

base=$(git merge-base "$1" HEAD)
comment=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

changed=$(git -c core.quotePath=false diff --name-only "$base" HEAD)
if grep -qE '^(components|policies|requirements)/|^stacks/[^/]+\.py$|^Pulumi\.yaml$' <<<"$changed"; then
  changed=$(ls stacks/Pulumi.*.yaml)
fi
stacks=$(sed -nE 's#^stacks/(Pulumi\.(.+)\.yaml|record\.(.+)\.json)$#\2\3#p' <<<"$changed")

# Those with a changed list of tables.
listed=$(
  for file in stacks/Pulumi.*.yaml; do
    [ -f "$file" ] || continue # there is none
    lists=$(sed -nE "s#.*tablesFile: *[\"']?(\./)?([^\"',}\#]*[^\"',}\# ]).*#\2#p" "$file")
    if [ -n "$lists" ] && grep -qxF "$lists" <<<"$changed"; then
      file=${file#stacks/Pulumi.}
      echo "${file%.yaml}"
    fi
  done
)
stacks=$(printf '%s\n%s\n' "$stacks" "$listed" | sed '/^$/d' | sort -u)

: >"$comment"
status=0
for stack in $stacks; do
  [ -f "stacks/Pulumi.$stack.yaml" ] || continue # it is removed
  options=(--stack "$stack" --policies --markdown "$work/one.md")
  # As it is deployed, so that only what changes is shown; not where the list of its tables is another.
  if ! grep -qxF "$stack" <<<"$listed" &&
    git show "$base:stacks/Pulumi.$stack.yaml" >"$work/deployed.yaml" 2>/dev/null; then
    options+=(--base "$work/deployed.yaml")
  fi
  rm -f "$work/one.md"
  one=0
  azure-postgres-cdc rehearse "${options[@]}" || one=$?
  [ "$one" -le "$status" ] || status=$one
  if [ -f "$work/one.md" ]; then
    cat "$work/one.md" >>"$comment"
  else
    echo "### ❌ stack \`$stack\` could not be rehearsed: see the log" >>"$comment"
  fi
done

if [ -z "$stacks" ]; then
  echo "No stack is changed." >>"$comment"
fi
exit "$status"
