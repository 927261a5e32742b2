"""torrent_peer.py hash SOURCE TORRENT: writes a torrent of version 2.
torrent_peer.py seed TORRENT FOLDER PORT: says "ready" and serves until it is killed.
torrent_peer.py get TORRENT FOLDER PORT SEED_PORT: ends when all of it is there."""
import os
import sys
import time
import libtorrent


def make(source, torrent):
    files = libtorrent.file_storage()
    libtorrent.add_files(files, source)
    made = libtorrent.create_torrent(files, 0, libtorrent.create_torrent.v2_only)
    libtorrent.set_piece_hashes(made, os.path.dirname(source))
    with open(torrent, "wb") as out:
        out.write(libtorrent.bencode(made.generate()))


def peer(torrent, folder, port, flags):
    session = libtorrent.session({
        "listen_interfaces": "127.0.0.1:" + port,
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_incoming_utp": False, "enable_outgoing_utp": False,
        "allow_multiple_connections_per_ip": True})
    params = libtorrent.add_torrent_params()
    params.ti = libtorrent.torrent_info(torrent)
    params.save_path = folder
    params.flags = flags
    return session, session.add_torrent(params)


role, args = sys.argv[1], sys.argv[2:]
if role == "hash":
    make(*args)
elif role == "seed":
    session, handle = peer(*args, libtorrent.torrent_flags.seed_mode)
    while session.listen_port() != int(args[2]):
        time.sleep(0.01)
    print("ready", flush=True)
    while True:
        time.sleep(1)
else:
    session, handle = peer(*args[:3], libtorrent.torrent_flags.default_flags & ~libtorrent.torrent_flags.auto_managed & ~libtorrent.torrent_flags.paused)
    handle.connect_peer(("127.0.0.1", int(args[3])))
    while not handle.status().is_finished:
        time.sleep(0.01)
    # What is still in memory only is written before it ends.
    handle.flush_cache()
    session.pause()
    session.pop_alerts()
