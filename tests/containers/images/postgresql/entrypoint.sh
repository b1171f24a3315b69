# Make the database of POSTGRES_USER at the first start, on a socket only, as the public image does; then run the server.
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    echo "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username="$POSTGRES_USER" --pwfile=/tmp/password
    rm /tmp/password
    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
    pg_ctl -w start -o "-c listen_addresses=''"
    createdb --username="$POSTGRES_USER" "$POSTGRES_USER"
    pg_ctl -w stop -m fast
fi
exec postgres -c listen_addresses='*'
