# The settings and functions of the other scripts, which read this file.
export OPENSTACK_HOME=${OPENSTACK_HOME:-/var/tmp/pileus-openstack}
export GUEST_IMAGE=${GUEST_IMAGE:-${XDG_CACHE_HOME:-$HOME/.cache}/pileus/tiny-guest.qcow2}
export PYTHONWARNINGS=ignore OS_NOVA_DISABLE_EVENTLET_PATCHING=true
# Without compiled files each of the services compiles what it imports, which takes longer than all else.
unset PYTHONDONTWRITEBYTECODE
HOSTS="1 2"
CONF=$OPENSTACK_HOME/conf RUN=$OPENSTACK_HOME/run LOG=$OPENSTACK_HOME/log
# `configure` writes programs of the engine's own into the first folder.
export PATH=$CONF/bin:$OPENSTACK_HOME/venv/bin:/usr/sbin:/sbin:$PATH
DATABASE=21401 BROKER=21402 MEMCACHED=21405 KEYSTONE=21410 PLACEMENT=21411 GLANCE=21412 NEUTRON=21413 NOVA=21414
CINDER=21415 CONSOLES=21416 OCTAVIA=21417 NORTHBOUND=21421 SOUTHBOUND=21422
WAIT_SECONDS=600

# Start a program in the background, unless it runs. Its process group is written down, so that `stop` can end it.
start() {
    local name=$1
    shift
    # A process that has ended and that nobody waits for has no program.
    if [ -e "$RUN/$name.pid" ] && readlink "/proc/$(cat "$RUN/$name.pid")/exe" >/dev/null; then return; fi
    setsid nohup "$@" >>"$LOG/$name.log" 2>&1 </dev/null &
    echo $! >"$RUN/$name.pid"
}

is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Wait until a command succeeds.
await() {
    local deadline=$((SECONDS + WAIT_SECONDS))
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -gt $deadline ]; then
            echo "scripts/openstack: this failed for $WAIT_SECONDS seconds: $*" >&2
            return 1
        fi
        sleep 0.5
    done
}

broker() { (. "$CONF/rabbit.env" && exec "/usr/lib/rabbitmq/bin/$1" "${@:2}"); }

# Run a program in the mount, host name and network namespaces of a hypervisor. `ip netns exec` makes a mount namespace
# below that of the host.
in_host() { nsenter -m -u -t "$(cat "$RUN/host$1.pid")" ip netns exec "pileus-host$1" "${@:2}"; }
