#!/usr/bin/env bash
# ./run.sh COMMAND: sets up what the command needs, then runs it. Python 3.11 to 3.13 is all that must be there.
#   install            the service: virtual environment, Java where there is none, jars of Kafka and the engine
#   up | demo | …      every command of `straitwatch` (./run.sh --help lists them)
#   test | test-all    the everyday tests (under ten minutes) | the long ones too
#   lint | types       ruff and the import contracts | mypy
#   bench | fuzz | chaos   figures | the parser under random input | kill -9 of every part
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

venv=.venv
say() { echo "run.sh: $*" >&2; }
die() { say "$1"; exit 1; }

# The versions that the lock files were tried with.
find_python() {
  local name lacks_venv=
  for name in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    [ -n "$name" ] && command -v "$name" >/dev/null || continue
    "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || continue
    "$name" -c 'import venv, ensurepip' 2>/dev/null || { lacks_venv=$name; continue; }
    echo "$name"
    return
  done
  [ -z "${lacks_venv:-}" ] || die "$lacks_venv has no venv module: install the package python3-venv of this system"
  die "Python 3.11, 3.12 or 3.13 is needed: install it, or name it with PYTHON=… ./run.sh"
}

# Java of 17 or newer in JAVA_HOME or on the PATH, as deploy/local/setup/java.py has it.
has_java() {
  local java version
  for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" java; do
    [ -n "$java" ] && command -v "$java" >/dev/null || continue
    version=$("$java" -version 2>&1 | sed -n 's/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1) || continue
    [ "${version:-0}" -lt 17 ] || return 0
  done
  return 1
}

# packages STAMP LOCK: what the lock file names, once for each content of it.
packages() {
  local stamp=$venv/.stamp-$1 lock=$2 wanted
  wanted=$(cat pyproject.toml "$lock" | cksum)
  [ -x $venv/bin/python ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
  if ! $venv/bin/python -c '' 2>/dev/null; then
    local python; python=$(find_python)
    say "virtual environment in $venv with $("$python" --version)"
    rm -rf $venv
    "$python" -m venv $venv
  fi
  say "Python packages; the first time takes some minutes"
  pip_install --require-hashes -r "$lock" \
    || die "pip could not install the packages: the lines above say why; mend that (the network?) and run again"
  pip_install --no-build-isolation --no-deps -e . || die "pip could not install the project itself"
  echo "$wanted" >"$stamp"
}

pip_install() {
  local quiet=(-q); [ ! -t 2 ] || quiet=()
  $venv/bin/pip install ${quiet[@]+"${quiet[@]}"} --disable-pip-version-check "$@" >&2
}

# Where the machine has no Java: one from the Python packages.
java_package() {
  ! has_java || return 0
  local stamp=$venv/.stamp-java lock=deploy/locks/java.lock
  [ -f $stamp ] && [ "$(cat $stamp)" = "$(cksum <$lock)" ] && return
  say "no Java of 17 or newer here: one from the Python packages"
  pip_install --require-hashes -r $lock \
    || die "there is no Java, and pip could not fetch one: put a Java of 17 or newer on the PATH, or connect the network; then run again"
  cksum <$lock >$stamp
}

# Where Python may not write bytecode by itself, light commands would start in twice the time.
compile_own() { $venv/bin/python -m compileall -q pipeline connectors deploy; }

# The jars, and with --tests what only tests need and a machine may lack.
bring() { $venv/bin/python -m deploy.local.setup.install "$@"; }

install() {
  # The tests' lock has all of the service's and Java; do not take anything back from it.
  if [ -f $venv/.stamp-tests ]; then
    install_tools
  else
    packages service deploy/locks/python.lock
    java_package
    compile_own
  fi
  bring
}

install_tools() {
  packages tests deploy/locks/python-dev.lock
  compile_own
}

install_tests() {
  install_tools
  bring --tests
}

command=${1:-}
case $command in
  install) install; say "ready: ./run.sh up starts the service, ./run.sh demo shows it" ;;
  test | test-all)
    shift
    install_tests
    marks='not slow'; [ "$command" = test ] || marks=''
    exec $venv/bin/python -m pytest -m "$marks" "$@"
    ;;
  lint)
    install_tools
    $venv/bin/ruff check . && $venv/bin/ruff format --check . && exec $venv/bin/lint-imports
    ;;
  types) install_tools; exec $venv/bin/mypy -p pipeline -p connectors -p deploy ;;
  bench) install_tools; bring; exec $venv/bin/straitwatch "$@" ;;
  fuzz) shift; install_tools; exec $venv/bin/python -m tests.fuzz.parse_fuzz "$@" ;;
  chaos) shift; install; exec $venv/bin/straitwatch bench chaos "$@" ;;
  '' | help | -h | usage) sed -n '2,7s/^# \{0,1\}//p' "$0"; [ -n "$command" ] || exit 2 ;;
  *) install; exec $venv/bin/straitwatch "$@" ;;
esac
