// SPDX-License-Identifier: MIT
/*
 * rx.c - weir_io, receiving: from slices to messages.
 *
 * Theory: each slice of an event becomes a piece: a buffer that borrows all of it, at the end of
 *	the queue rx.  Then pieces are taken from the front as long as messages may be delivered:
 *
 *	  datagrams     a train is cut into its datagrams, each with the peer
 *	  no segment()  a piece is a message
 *	  segment()     the piece is shown to it.  Enough: the message keeps the piece, the rest
 *	                becomes a new piece at the front; nothing is copied.  Not enough: the
 *	                piece is copied to pending, memory of its own, which grows by exactly what
 *	                segment() asked for, or by 64, 128, ... bytes where it only said "more",
 *	                so that as little as possible of the next slice is copied.  What was
 *	                copied beyond the message goes back to its piece.
 *
 *	A message taken from one slice is never copied, unless the user wants memory of its own,
 *	too many slices are held, or this one cannot be (pool.c).
 * Invariants: 1. bytes are in rx and pending exactly once, in order: pending, then rx.
 *	2. pending is shorter than the message it belongs to, or must_ask_again().  3. after each
 *	callback the state is read again: it may have changed anything.
 * Ownership: a buffer that a callback got is the application's, also where it freed the weir_io.
 * Threads: the engine's.
 * Errors: bytes that segment() refuses, that are too long or for which there is no memory are
 *	given to read() with -errno, and receiving stops until weir_io_register().
 * Sources: UDP GRO trains: udp(7) UDP_GRO, as weir_slice.segment_bytes tells them.
 * Tests: tests/contract/test_io_segment.c, tests/contract/test_io_dgram.c,
 *	tests/unit/test_io_hold.c
 */
#include "io.h"

#define FIRST_STEP 64
#define LAST_STEP 65536
#define LEAST_PENDING 256
#define KEPT_FLAGS (WEIR_SLICE_TRUNCATED | WEIR_SLICE_MORE | WEIR_SLICE_NOTIFICATION)

bool weir_io_rx_live(const struct weir_io *io)
{
	return io->port && io->registered && !io->rx_paused && !io->rx_broken && !io->finishing &&
	       weir_io_has_reader(io);
}

/* Is there something to learn about the pending message without more data? */
static bool must_ask_again(const struct weir_io *io)
{
	return io->pending && (io->recheck || io->asked != io->ops.segment);
}

void weir_io_rx_update(struct weir_io *io)
{
	bool live = weir_io_rx_live(io);

	if (!io->port)
		return;
	if (live != io->rx_on) {
		io->rx_on = live;
		if (live)
			weir_sock_resume(io->port->sock);
		else
			weir_sock_pause(io->port->sock);
	}
	if (live &&
	    (io->rx.count || io->rx_hole || must_ask_again(io) || (io->ended && !io->end_told)))
		weir_io_kick(io);
}

void weir_io_rx_reset(struct weir_io *io)
{
	weir_bufs_put_all(&io->rx);
	weir_bufs_put(io->pending);
	io->pending = NULL;
	io->recheck = false;
	io->rx_hole = false;
	io->need = 0;
}

/* May datagrams get lost?  A stream with a hole must end, SCTP's too. */
static bool is_lossy(const struct weir_io *io)
{
	return io->port->dgram && !io->port->sctp;
}

/* A piece of nothing goes, another one goes back to the front. */
static void give_back(struct weir_io *io, struct weir_buf *piece)
{
	if (!piece || !weir_buf_len(piece)) {
		weir_bufs_put(piece);
		return;
	}
	/* What was taken off it is of another message: no headroom of this one. */
	if (piece->slice)
		piece->head = piece->data;
	buf_list_push_front(&io->rx, piece);
}

static void copy_to_own(struct weir_io *io, struct weir_buf *buf)
{
	uint64_t before = io->pool->stats.copied_bytes;
	size_t len = weir_buf_len(buf);
	size_t room = io->opts.alloc_bytes > len ? io->opts.alloc_bytes - len : 0;
	bool limit = !io->copies && weir_slices_limit(io->pool, io->rx.count);
	int rc = 0;

	/* Without memory the message is delivered as it is, which is always right. */
	if (io->copies)
		rc = weir_buf_own(buf, io->opts.headroom_bytes, room);
	else if (limit)
		rc = weir_buf_own(buf, 0, 0);
	if (rc)
		return;
	io->stats.rx_copied_bytes += io->pool->stats.copied_bytes - before;
	if (limit)
		io->pool->stats.limit_bytes += io->pool->stats.copied_bytes - before;
}

/* Memory of its own for what cannot be held: 0 or -ENOMEM. */
static int own(struct weir_io *io, struct weir_buf *buf)
{
	int rc = weir_buf_own(buf, 0, 0);

	if (!rc)
		io->stats.rx_copied_bytes += weir_buf_len(buf);
	return rc;
}

/*
 * The application may keep the buffer for as long as it likes: the slice is held, or the bytes are
 * copied.  False without memory for either: the buffer is freed.
 */
static bool hand_over(struct weir_io *io, struct weir_buf *buf)
{
	if (buf->slice && weir_slices_hold(buf->slice) && own(io, buf)) {
		weir_bufs_put(buf);
		return false;
	}
	buf->state = BUF_USER;
	return true;
}

/* Tell a result that is no message; the buffer, if any, becomes the user's. */
static void tell(struct weir_io *io, int res, struct weir_buf *buf)
{
	struct msghdr msg = { 0 };

	if (buf && !hand_over(io, buf))
		buf = NULL;
	if (io->ops.read)
		io->ops.read(io, res, buf);
	else if (io->ops.received_from)
		io->ops.received_from(io, res, buf, NULL);
	else if (io->ops.received_msg)
		io->ops.received_msg(io, res, buf, &msg);
	else
		weir_bufs_put(buf);
}

static void refuse(struct weir_io *io, int res, struct weir_buf *buf)
{
	io->rx_broken = true;
	io->stats.rx_errors++;
	weir_io_rx_update(io);
	tell(io, res, buf);
}

/* There was no memory to keep a message. */
static void lose(struct weir_io *io)
{
	/* As if the network had lost it, which it may. */
	if (is_lossy(io))
		io->stats.rx_errors++;
	else
		refuse(io, -ENOMEM, NULL);
}

/* @len counts what segment() took off the front: a header alone is a message, not the end. */
static void deliver(struct weir_io *io, struct weir_buf *buf, int len)
{
	int flags = buf->slice_flags & WEIR_SLICE_TRUNCATED ? MSG_TRUNC : 0;
	struct msghdr msg = { .msg_flags = flags };
	_Alignas(struct cmsghdr) char control[WEIR_IO_SCTP_CONTROL_BYTES];

	/* It lies in the slice, which a copy leaves. */
	if (io->port->sctp)
		weir_io_sctp_header(buf, &msg, control);
	if (buf->slice || io->copies)
		copy_to_own(io, buf);
	if (!hand_over(io, buf)) {
		lose(io);
		return;
	}
	io->stats.rx_messages++;
	io->stats.rx_bytes += (unsigned)len;
	switch (io->mode) {
	case WEIR_IO_READ_WRITE:
		io->ops.read(io, len, buf);
		break;
	case WEIR_IO_RECVFROM_SENDTO:
		io->ops.received_from(io, len, buf, weir_buf_peer(buf));
		break;
	case WEIR_IO_RECVMSG_SENDMSG:
		if (buf->peer_len) {
			msg.msg_name = &buf->peer;
			msg.msg_namelen = buf->peer_len;
		}
		io->ops.received_msg(io, len, buf, &msg);
		break;
	}
}

void weir_io_rx_error(struct weir_io *io, int res)
{
	io->stats.rx_errors++;
	if (!weir_io_rx_live(io))
		return;
	weir_io_enter(io);
	tell(io, res, NULL);
	weir_io_leave(io);
}

/*
 * Cut a piece in two: what is before @at stays, the rest is returned.  A piece with memory of its
 * own is copied, which only happens where segment() takes back what it said before.
 */
static struct weir_buf *cut(struct weir_buf *piece, uint8_t *at)
{
	size_t len = (size_t)(piece->tail - at);
	struct weir_buf *rest;

	if (piece->slice) {
		rest = weir_bufs_borrow(piece->slice, at, len);
		if (!rest)
			return NULL;
		/* The next message must not be in reach of this one's tailroom. */
		piece->end = at;
		rest->segment_bytes = piece->segment_bytes;
		rest->slice_flags = piece->slice_flags;
		rest->peer_len = piece->peer_len;
		rest->peer = piece->peer;
	} else {
		rest = weir_bufs_take(piece->pool, BUF_RX);
		if (rest && weir_bufs_room(rest, len, 0)) {
			weir_bufs_put(rest);
			rest = NULL;
		}
		if (!rest)
			return NULL;
		memcpy(rest->data, at, len);
		rest->tail += len;
		weir_bufs_copied(piece->pool, len, true);
	}
	piece->tail = at;
	return rest;
}

/*
 * Ask segment() about a message that begins at buf->data.  Returns where it ends, counted from
 * there; 0 for not yet (io->need is set, the buffer as before); -errno.
 */
static int ask(struct weir_io *io, struct weir_buf *buf)
{
	uint8_t *data = buf->data, *tail = buf->tail;
	size_t len = weir_buf_len(buf);
	int res;

	io->recheck = false;
	io->asked = io->ops.segment;
	res = io->ops.segment(io, buf);
	buf->tail = tail;
	if (res == -EAGAIN) {
		buf->data = data;
		io->need = 0;
		return 0;
	}
	if (res == 0 || res > (int)io->opts.message_max)
		res = -EPROTO;
	if (res > 0 && (size_t)res <= len && (buf->data < data || buf->data > data + res))
		res = -EPROTO;
	if (res < 0) {
		buf->data = data;
		return res;
	}
	if ((size_t)res > len) {
		buf->data = data;
		io->need = (size_t)res;
		return 0;
	}
	return res;
}

/* A message begins in this piece and does not end in it: keep it in memory that can grow. */
static void make_pending(struct weir_io *io, struct weir_buf *piece)
{
	size_t len = weir_buf_len(piece);
	size_t room = io->need ? io->need : 2 * len;

	if (len > io->opts.message_max) {
		refuse(io, -EPROTO, piece);
		return;
	}
	if (room < LEAST_PENDING)
		room = LEAST_PENDING;
	if (room < io->opts.alloc_bytes)
		room = io->opts.alloc_bytes;
	if (piece->slice) {
		io->stats.rx_copied_bytes += len;
		io->pool->stats.straddle_bytes += len;
	}
	if (weir_buf_own(piece, io->opts.headroom_bytes, room - len)) {
		refuse(io, -ENOMEM, piece);
		return;
	}
	io->step = FIRST_STEP;
	io->pending = piece;
}

static void segment_piece(struct weir_io *io, struct weir_buf *piece)
{
	uint64_t epoch = io->epoch;
	uint8_t *data = piece->data;
	struct weir_buf *rest;
	int res = ask(io, piece);

	if (io->epoch != epoch) {
		weir_bufs_put(piece);
		return;
	}
	if (!weir_io_rx_live(io)) {
		/* segment() stopped it: it is asked about this message again later. */
		piece->data = data;
		give_back(io, piece);
		return;
	}
	if (res < 0) {
		refuse(io, res, piece);
		return;
	}
	if (!res) {
		make_pending(io, piece);
		return;
	}
	if (data + res < piece->tail) {
		rest = cut(piece, data + res);
		if (!rest) {
			refuse(io, -ENOMEM, piece);
			return;
		}
		/* Nobody looked at the rest yet; it begins with nothing before it. */
		buf_list_push_front(&io->rx, rest);
	}
	deliver(io, piece, res);
}

/* Move up to @bytes of the piece behind the pending message; number moved or -ENOMEM. */
static ssize_t grow(struct weir_io *io, struct weir_buf *pending, struct weir_buf *piece,
		    size_t bytes)
{
	size_t had = weir_buf_len(pending);
	size_t n = weir_buf_len(piece);
	size_t room;

	if (n > bytes)
		n = bytes;
	if (weir_buf_tailroom(pending) < n) {
		room = io->need ? io->need - had : had + n;
		if (weir_buf_own(pending, io->opts.headroom_bytes, room))
			return -ENOMEM;
		weir_bufs_copied(io->pool, had, true);
		io->stats.rx_copied_bytes += had;
	}
	memcpy(pending->tail, piece->data, n);
	pending->tail += n;
	piece->data += n;
	weir_bufs_copied(io->pool, n, true);
	io->stats.rx_copied_bytes += n;
	return (ssize_t)n;
}

/*
 * @pending holds more than its message; the last @moved bytes came from @piece.  Gives the surplus
 * back in front of the queue, the piece too.
 */
static int give_back_surplus(struct weir_io *io, struct weir_buf *pending, uint8_t *message_end,
			     struct weir_buf *piece, size_t moved)
{
	size_t surplus = (size_t)(pending->tail - message_end);
	struct weir_buf *rest = NULL;

	if (surplus <= moved) {
		if (surplus)
			piece->data -= surplus;
		pending->tail = message_end;
	} else {
		rest = cut(pending, message_end);
		if (!rest)
			return -ENOMEM;
	}
	give_back(io, piece);
	if (rest)
		buf_list_push_front(&io->rx, rest);
	return 0;
}

/* segment() spoke about the pending message, which io->pending does not point to meanwhile. */
static void segment_pending(struct weir_io *io, struct weir_buf *pending, struct weir_buf *piece,
			    size_t moved)
{
	uint64_t epoch = io->epoch;
	uint8_t *data = pending->data;
	int res = ask(io, pending);

	if (io->epoch != epoch) {
		weir_bufs_put(pending);
		weir_bufs_put(piece);
		return;
	}
	if (res == 0 && weir_buf_len(pending) > io->opts.message_max)
		res = -EPROTO;
	if (res > 0 && give_back_surplus(io, pending, data + res, piece, moved))
		res = -ENOMEM;
	if (res <= 0)
		give_back(io, piece);
	if (!weir_io_rx_live(io)) {
		/* segment() stopped it: it is asked again later. */
		pending->data = data;
		io->pending = pending;
		io->recheck = true;
	} else if (res < 0) {
		refuse(io, res, pending);
	} else if (res == 0) {
		if (io->step < LAST_STEP)
			io->step *= 2;
		io->pending = pending;
	} else {
		deliver(io, pending, res);
	}
}

/* Returns false where more data must arrive first. */
static bool pending_step(struct weir_io *io)
{
	struct weir_buf *pending = io->pending;
	size_t len = weir_buf_len(pending);
	struct weir_buf *piece = NULL;
	ssize_t moved = 0;
	size_t want = 0;

	if (!io->ops.segment) {
		io->pending = NULL;
		io->recheck = false;
		deliver(io, pending, (int)len);
		return true;
	}
	if (!must_ask_again(io)) {
		want = io->need > len ? io->need - len : io->step;
		piece = buf_list_pop(&io->rx);
		if (!piece)
			return false;
		moved = grow(io, pending, piece, want);
		if (moved < 0) {
			give_back(io, piece);
			io->pending = NULL;
			refuse(io, -ENOMEM, pending);
			return true;
		}
		if (io->need > weir_buf_len(pending)) {
			give_back(io, piece);
			return true;
		}
	}
	io->pending = NULL;
	segment_pending(io, pending, piece, (size_t)moved);
	return true;
}

static void datagram_step(struct weir_io *io, struct weir_buf *piece)
{
	struct weir_buf *rest;

	if (piece->segment_bytes && weir_buf_len(piece) > piece->segment_bytes) {
		rest = cut(piece, piece->data + piece->segment_bytes);
		if (!rest) {
			/* As if the network had lost it, which it may. */
			io->stats.rx_errors++;
			weir_bufs_put(piece);
			return;
		}
		buf_list_push_front(&io->rx, rest);
	}
	deliver(io, piece, (int)weir_buf_len(piece));
}

static bool step(struct weir_io *io)
{
	struct weir_buf *piece;

	if (io->pending)
		return pending_step(io);
	piece = buf_list_pop(&io->rx);
	if (!piece)
		return false;
	if (io->port->dgram)
		datagram_step(io, piece);
	else if (io->ops.segment)
		segment_piece(io, piece);
	else
		deliver(io, piece, (int)weir_buf_len(piece));
	return true;
}

void weir_io_rx_process(struct weir_io *io)
{
	struct weir_buf *pending;

	while (weir_io_rx_live(io) && step(io))
		;
	if (weir_io_rx_live(io) && io->rx_hole) {
		io->rx_hole = false;
		refuse(io, -ENOMEM, NULL);
		return;
	}
	if (!weir_io_rx_live(io) || !io->ended || io->end_told)
		return;
	io->end_told = true;
	pending = io->pending;
	io->pending = NULL;
	if (io->end_res)
		io->stats.rx_errors++;
	tell(io, io->end_res, pending);
}

static socklen_t peer_bytes(const struct sockaddr *peer)
{
	if (peer && peer->sa_family == AF_INET)
		return sizeof(struct sockaddr_in);
	if (peer && peer->sa_family == AF_INET6)
		return sizeof(struct sockaddr_in6);
	return 0;
}

/* Put one slice in the queue; the reference, or NULL without memory or where no CPU can read. */
static struct weir_io_slice *enqueue(struct weir_io *io, struct weir_slice *slice)
{
	struct weir_io_slice *ref = NULL;
	struct weir_buf *piece;

	if (slice->data || !slice->len)
		ref = weir_slices_take(io->pool, slice);
	if (!ref)
		return NULL;
	piece = weir_bufs_borrow(ref, slice->data, slice->len);
	if (!piece) {
		weir_slices_event_over(ref);
		return NULL;
	}
	piece->segment_bytes = slice->segment_bytes;
	piece->slice_flags = (uint8_t)(slice->flags & KEPT_FLAGS);
	piece->peer_len = (uint16_t)peer_bytes(slice->peer);
	if (piece->peer_len)
		memcpy(&piece->peer, slice->peer, piece->peer_len);
	buf_list_push(&io->rx, piece);
	return ref;
}

/*
 * Pieces of @ref may still be in the queue, as the application stopped receiving: they stay behind
 * the event, held or copied.  Where there is no memory the queue ends before the hole.
 */
static void keep_waiting(struct weir_io *io, struct weir_io_slice *ref)
{
	struct weir_buf *buf, *next;

	if (ref->refs == 1 || !weir_slices_hold(ref))
		return;
	/* Of a slice that is not held the application has nothing: all of it is here. */
	for (buf = io->rx.first; buf; buf = next) {
		next = buf->next;
		if (!io->rx_hole && (buf->slice != ref || !own(io, buf)))
			continue;
		buf_list_remove(&io->rx, buf);
		weir_bufs_put(buf);
		if (is_lossy(io))
			io->stats.rx_errors++;
		else
			io->rx_hole = true;
	}
}

void weir_io_rx_slices(struct weir_io *io, struct weir_slice *slices, unsigned n)
{
	struct weir_io_slice *refs = NULL, **last = &refs;
	uint64_t epoch = io->epoch;
	bool lossy = is_lossy(io);
	int lost = 0;

	if (io->rx_hole)
		return;
	weir_io_enter(io);
	for (unsigned i = 0; i < n; i++) {
		*last = enqueue(io, &slices[i]);
		if (*last) {
			last = &(*last)->next;
			continue;
		}
		lost = slices[i].data ? -ENOMEM : -EFAULT;
		/* A stream with a hole must end; datagrams may get lost. */
		if (!lossy)
			break;
		io->stats.rx_errors++;
	}
	weir_io_work(io);
	if (lost && !lossy && io->epoch == epoch)
		refuse(io, lost, NULL);
	while (refs) {
		struct weir_io_slice *ref = refs;

		refs = ref->next;
		keep_waiting(io, ref);
		weir_slices_event_over(ref);
	}
	weir_io_leave(io);
}
