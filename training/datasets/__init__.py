"""Public data sets: conversion into the layout of the recipes, and special evaluations."""
