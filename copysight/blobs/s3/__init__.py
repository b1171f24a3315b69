"""Originals and thumbnails on S3."""
