#!/usr/bin/env bash
# Deploys one stack, logged in to Azure as a workload identity: what both services run after a merge.
#
#   deploy.sh STACK
#
# Exit status: that of `pulumi up`. Where it stops, its own message says why and what to do.
set -euo pipefail

stack=$1

# What the workload identity was logged in with is good for some minutes, and `up` may wait longer for
# Azure. The tokens that are asked for here the Azure CLI keeps for an hour, for all of the run.
for audience in \
  https://management.azure.com \
  https://ossrdbms-aad.database.windows.net \
  https://storage.azure.com \
  https://vault.azure.net; do
  az account get-access-token --scope "$audience/.default" --output none
done

options=(--policy-pack policies)
if [ -f "policies/config/$stack.json" ]; then
  options+=(--policy-pack-config "policies/config/$stack.json")
fi
# Without the outputs: an operator reads the connector's form, not the log.
pulumi up --stack "$stack" --yes --non-interactive --color never --suppress-outputs "${options[@]}"
