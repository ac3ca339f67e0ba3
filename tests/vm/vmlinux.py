#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""vmlinux.py BZIMAGE VMLINUX: the ELF file that is packed in a kernel image.

An emulated CPU takes seconds to unpack it, at every boot; QEMU starts the unpacked one as
well, by its PVH entry. Where it is: Linux' Documentation/arch/x86/boot.rst, payload_offset
and payload_length; the last four bytes are its length when it is unpacked.
"""

import ctypes
import lzma
import struct
import sys


def unzstd(packed, size):
    """The frame that packed begins with, by the library that dpkg has it from."""
    zstd = ctypes.CDLL("libzstd.so.1")
    for name in ("ZSTD_findFrameCompressedSize", "ZSTD_decompress"):
        getattr(zstd, name).restype = ctypes.c_size_t
    frame = zstd.ZSTD_findFrameCompressedSize(packed, ctypes.c_size_t(len(packed)))
    if zstd.ZSTD_isError(ctypes.c_size_t(frame)):
        raise ValueError("the zstd frame has no end")
    out = ctypes.create_string_buffer(size)
    got = zstd.ZSTD_decompress(out, ctypes.c_size_t(size), packed, ctypes.c_size_t(frame))
    if got != size:
        raise ValueError("the zstd frame is damaged")
    return out.raw


def unpack(image):
    """Of a kernel image, as bytes."""
    if image[0x202:0x206] != b"HdrS":
        raise ValueError("it is no kernel image")
    sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    payload = image[start : start + length]
    if len(payload) != length or length < 8:
        raise ValueError("the image is cut off")
    size = struct.unpack("<I", payload[-4:])[0]
    if payload[:6] == b"\xfd7zXZ\x00":
        elf = lzma.LZMADecompressor().decompress(payload)
    elif payload[:4] == b"\x28\xb5\x2f\xfd":
        elf = unzstd(payload, size)
    else:
        raise ValueError("it is packed with neither xz nor zstd")
    if len(elf) != size or elf[:4] != b"\x7fELF":
        raise ValueError("what is packed in it is no ELF file of the length it names")
    return elf


def main():
    image, vmlinux = sys.argv[1:]
    try:
        with open(image, "rb") as file:
            elf = unpack(file.read())
    except (ValueError, lzma.LZMAError, OSError) as error:
        sys.exit(f"vmlinux.py: error: {image} is damaged: {error}; make distclean has it fetched again")
    try:
        with open(vmlinux, "wb") as file:
            file.write(elf)
    except OSError as error:
        sys.exit(f"vmlinux.py: error: {vmlinux}: {error}")


main()
