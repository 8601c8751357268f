<?php

use Illuminate\Support\Facades\Auth;
use Illuminate\Support\Facades\Route;

Route::get('/me', fn () => Auth::check() ? ['phone' => Auth::user()->phone] : response()->json([], 401));
