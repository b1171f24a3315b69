# Run `weed server` as the public image does: not as root, and with volumes of 1 GB, as many as fit.
if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=seaweed --regid=seaweed --clear-groups sh -e "$0" "$@"
fi
shift
exec weed -logtostderr=true server -volume.max=0 -master.volumeSizeLimitMB=1024 "$@"
