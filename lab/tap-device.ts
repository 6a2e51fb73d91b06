import { closeSync, constants, openSync } from 'node:fs';
import koffi from 'koffi';

/*
 * Ethernet devices whose wire is this process (tuntap.rst in the kernel's documentation), and the
 * calls to wait for many of them at once. libuv reads /dev/net/tun through its thread pool, which is
 * ten times slower than a loop of our own.
 */

const libc = koffi.load('libc.so.6');
// Declared with fixed arguments: the kernel's two platforms of ours pass a pointer the same way.
const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)');
const nativeRead = libc.func('long read(int fd, void *buffer, size_t size)');
const nativeWrite = libc.func('long write(int fd, void *buffer, size_t size)');
const nativePoll = libc.func(
  'int ppoll(void *fds, unsigned long count, void *timeout, void *mask)',
);

/** From linux/if_tun.h and linux/if.h. */
const tunSetInterface = 0x4004_54ca;
const interfaceRequestBytes = 40;
const interfaceNameBytes = 16;
const flagTap = 0x0002;
const flagNoPacketInformation = 0x1000;

/** The longest frame: the largest MTU, an Ethernet header and a VLAN tag. */
const longestFrameBytes = 65_535 + 18;
const frame = Buffer.alloc(longestFrameBytes);

export interface TapDevice {
  readonly name: string;
  readonly fd: number;
}

/**
 * Makes a device in the namespace of this process. It may be moved to another and stays ours; it is
 * gone when the process ends.
 */
export function openTap(name: string): TapDevice {
  const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  const request = Buffer.alloc(interfaceRequestBytes);
  request.write(name, 0, interfaceNameBytes - 1, 'latin1');
  request.writeUInt16LE(flagTap | flagNoPacketInformation, interfaceNameBytes);
  if (ioctl(fd, tunSetInterface, request) !== 0) {
    closeSync(fd);
    throw new Error(`cannot make the TAP device ${name}: errno ${koffi.errno()}`);
  }
  return { name, fd };
}

/** A copy of the next frame; undefined when none waits. */
export function readFrame({ fd }: TapDevice): Uint8Array | undefined {
  const size = Number(nativeRead(fd, frame, frame.length));
  return size > 0 ? Buffer.from(frame.subarray(0, size)) : undefined;
}

/** The frame is lost when the device is down or its queue is full, as on any wire. */
export function writeFrame({ fd }: TapDevice, packet: Uint8Array): void {
  nativeWrite(fd, packet, packet.length);
}

const pollEntryBytes = 8;
const pollIn = 0x0001;

/** Waits until something can be read from one of some file descriptors. */
export class ReadPoll {
  readonly #entries: Buffer;
  readonly #timeout = Buffer.alloc(16);

  constructor(fds: readonly number[]) {
    this.#entries = Buffer.alloc(pollEntryBytes * fds.length);
    fds.forEach((fd, index) => {
      this.#entries.writeInt32LE(fd, pollEntryBytes * index);
      this.#entries.writeInt16LE(pollIn, pollEntryBytes * index + 4);
    });
  }

  /** @param timeoutMs to the microsecond; undefined waits for ever */
  wait(timeoutMs: number | undefined): void {
    const count = this.#entries.length / pollEntryBytes;
    if (timeoutMs !== undefined) {
      const nanoseconds = BigInt(Math.ceil(Math.max(timeoutMs, 0) * 1_000)) * 1_000n;
      this.#timeout.writeBigInt64LE(nanoseconds / 1_000_000_000n, 0);
      this.#timeout.writeBigInt64LE(nanoseconds % 1_000_000_000n, 8);
    }
    nativePoll(this.#entries, count, timeoutMs === undefined ? null : this.#timeout, null);
  }

  /** Whether the descriptor at that place can be read, or has ended. */
  isReady(index: number): boolean {
    return this.#entries.readInt16LE(pollEntryBytes * index + 6) !== 0;
  }
}
