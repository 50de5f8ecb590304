"""What the package does, the same on every target."""

import random
import unittest
import zlib

import samplepack


class Frames(unittest.TestCase):
    def test_samples_come_back(self):
        edges = [0, -1, 2**31 - 1, -(2**31), 7]
        for samples in [], [5], edges, [random.randint(-(2**31), 2**31 - 1) for _ in range(5000)]:
            self.assertEqual(samplepack.unpack(samplepack.pack(samples)), samples)

    def test_a_slow_signal_becomes_small(self):
        self.assertLess(len(samplepack.pack(list(range(100_000)))), 4_000)

    def test_a_frame_is_the_same_on_every_machine(self):
        # What deflate makes of it may differ from one zlib to the next, what is inside may not.
        frame = samplepack.pack([1, 256, -1])
        self.assertEqual(frame[:4], b"\0\0\0\x03")
        self.assertEqual(zlib.decompress(frame[4:]), b"\0\0\0\x01\0\0\0\xff\xff\xff\xfe\xff")

    def test_what_is_no_frame_is_refused(self):
        frame = samplepack.pack([1, 2, 3])
        for broken in b"", b"\0\0", frame[:-3], b"\0\0\0\x02" + frame[4:], b"\xff" + frame[1:]:
            with self.subTest(broken=broken), self.assertRaises(ValueError):
                samplepack.unpack(broken)

    def test_what_is_no_sample_is_refused(self):
        with self.assertRaises(OverflowError):
            samplepack.pack([2**31])
        with self.assertRaises(TypeError):
            samplepack.pack(["1"])

    def test_zlib_is_inside(self):
        self.assertRegex(samplepack.zlib_version(), r"^1\.\d+")

    def test_a_series_packs_full_frames_and_keeps_the_rest(self):
        series = samplepack.Series(length=4)
        for sample in range(10):
            series.add(sample)
        self.assertEqual(len(series.frames), 2)
        self.assertEqual(list(series), list(range(10)))
        series.close()
        self.assertEqual(len(series.frames), 3)
        self.assertEqual(list(series), list(range(10)))
